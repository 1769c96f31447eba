"""The contract.

Every message, enum and enum value of proto/pourparler/v1 under one name, generated and never
edited.
"""

from pourparler.v1.audit_service_pb2 import *
from pourparler.v1.bundle_pb2 import *
from pourparler.v1.copy_pb2 import *
from pourparler.v1.entry_pb2 import *
from pourparler.v1.errors_pb2 import *
from pourparler.v1.facts_pb2 import *
from pourparler.v1.negotiation_pb2 import *
from pourparler.v1.negotiation_service_pb2 import *
from pourparler.v1.options_pb2 import *
from pourparler.v1.privacy_service_pb2 import *
from pourparler.v1.record_service_pb2 import *
from pourparler.v1.sealed_pb2 import *
from pourparler.v1.values_pb2 import *
