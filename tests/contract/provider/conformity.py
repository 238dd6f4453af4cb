"""Looks at everything that passes between relay and the simulator, and holds it against AT&T's OpenAPI documents.

Every request to an operation that they describe has to be as described, and so has every answer while the simulator
answers as documented. The documents are looked at strictly: a field that they do not name is a deviation as well.
What wire facts say is different in fact is listed here, one entry each, with its section.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web
from openapi_core import OpenAPI, Spec
from openapi_core.testing import MockRequest, MockResponse
from openapi_core.validation.request import V30RequestValidator
from openapi_core.validation.response import V30ResponseValidator
from werkzeug.datastructures import ImmutableMultiDict

from relay.simulator.app import Simulator

HOST = "https://api.att.com"
DOCUMENTS = {"att-sms": "att-sms-v3.yaml", "att-inapp": "att-in-app-messaging-v2.yaml"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
