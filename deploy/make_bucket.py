"""Makes a bucket in the S3-compatible store unless it is there: `make_bucket.py NAME`."""

import os
import sys

import boto3
from botocore.exceptions import ClientError

if __name__ == "__main__":
    bucket = sys.argv[1]
    store = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"])
    try:
        store.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        store.create_bucket(Bucket=bucket)
    print(f"The bucket {bucket} is there.")
