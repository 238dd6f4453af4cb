"""AT&T's SMS service: a short code that sends to and receives from AT&T's subscribers."""

from relay.providerkit.spec import Provider
from relay.providers.att_sms.client import AttSmsLine
from relay.providers.att_sms.operations import OPERATIONS
from relay.providers.att_sms.settings import AttSmsSettings

PROVIDER = Provider("att-sms", AttSmsSettings, AttSmsLine, OPERATIONS)
