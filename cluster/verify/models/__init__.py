"""Sequential models: what each object would answer if clients came one after another."""

from quorate.cluster.verify.models.counter import Counter
from quorate.cluster.verify.models.keyvalue import KeyValue
from quorate.cluster.verify.models.lock import Lock
from quorate.cluster.verify.models.model import Model
from quorate.cluster.verify.models.queue import Queue
from quorate.cluster.verify.models.register import CasRegister, Register

MODELS: dict[str, Model] = {model.name: model for model in (Register(), CasRegister(), KeyValue(), Lock(), Counter(), Queue())}
