"""How much a run of these tests tries. S3D_TEST_LONG=true: ten times as much, or more."""

import os

IS_LONG = os.environ.get("S3D_TEST_LONG") == "true"
