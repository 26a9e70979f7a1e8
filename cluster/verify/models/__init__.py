"""Sequential models: what each object would answer if clients came one after another."""

from quorate.cluster.verify.models.model import Model
from quorate.cluster.verify.models.register import CasRegister, Register

MODELS: dict[str, Model] = {model.name: model for model in (Register(), CasRegister())}
