"""AT&T's In-App Messaging: a consenting subscriber's number, with its whole message store."""

from relay.providerkit.spec import Provider
from relay.providers.att_inapp.client import AttInAppLine
from relay.providers.att_inapp.operations import OPERATIONS
from relay.providers.att_inapp.settings import AttInAppSettings

PROVIDER = Provider("att-inapp", AttInAppSettings, AttInAppLine, OPERATIONS)
