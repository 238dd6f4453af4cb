"""Landline Texting: a text-enabled number at AT&T's Zipwhip service, with texts out by calls and in by web hooks."""

from relay.providerkit.spec import Provider
from relay.providers.att_landline.client import AttLandlineLine
from relay.providers.att_landline.operations import OPERATIONS
from relay.providers.att_landline.settings import AttLandlineSettings

PROVIDER = Provider("att-landline", AttLandlineSettings, AttLandlineLine, OPERATIONS)
