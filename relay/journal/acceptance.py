"""A send request -> message, copies, calls and its key, all at once or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from typing import Any

from sqlalchemy import Row, insert, select

from relay.domain.errors import ErrorCode, Problem
from relay.domain.messages import Plan, SendRequest
from relay.domain.states import State
from relay.journal.answers import Answer, Asker, accepted, answer, copy_id, rejected
from relay.journal.callrows import NewCall, add_call
from relay.journal.outgoing import store_message
from relay.journal.schema import command, command_has_no_key, copy
from relay.journal.transaction import WAITING_COPIES, Transaction
