# A module comes after those that it imports: pytest rewrites the asserts of a plugin only as long
# as nobody has imported it, and warns otherwise.
pytest_plugins = [
    "tests.fix_botocore",
    "tests.fix_files",
    "tests.fix_postgres",
    "tests.fix_server",
    "tests.fix_totals",
    "tests.fix_s3",
    "tests.fix_virtual_hosts",
    "tests.fix_clients",
]
