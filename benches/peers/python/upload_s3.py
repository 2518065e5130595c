"""Uploads a file to S3 with boto3's transfer manager, in parts of 8 MiB, ten at once.

Why it cannot be faster: each part is hashed for its signature and, by default, for a checksum, in
Python threads that take turns but for the hashing and the sending.
"""

from __future__ import annotations

import os

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from common import Outcome, arguments, report


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--object", required=True, help="bucket/key")
    options = parser.parse_args()
    bucket, key = options.object.split("/", 1)
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{options.endpoint}",
        region_name="us-east-1",
        # As ours: the signature covers what is sent.
        config=Config(request_checksum_calculation="when_required", max_pool_connections=10),
    )
    part_bytes = 8 << 20
    transfer = TransferConfig(multipart_threshold=part_bytes, multipart_chunksize=part_bytes)

    def upload() -> Outcome:
        client.upload_file(options.file, bucket, key, Config=transfer)
        file_bytes = os.path.getsize(options.file)
        return Outcome(0, -(-file_bytes // part_bytes), file_bytes)

    report("upload_s3", options.repeat, upload)


if __name__ == "__main__":
    main()
