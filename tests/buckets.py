"""A bucket on an S3 service, as tests look into it and damage it: through boto3, not through our own code."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3


@dataclass(frozen=True)
class Bucket:
    """`url` is the store's setting: a prefix in a bucket that holds other things too."""

    address: str
    name: str
    client: Any

    @classmethod
    def make(cls, address: str) -> "Bucket":
        client = boto3.client("s3", endpoint_url=address)
        name = f"tests-{uuid4().hex}"
        client.create_bucket(Bucket=name)
        return cls(address, name, client)

    @property
    def url(self) -> str:
        return f"s3://{self.name}/gengap"

    def names(self) -> set[str]:
        """The objects below the store's prefix."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix="gengap/")
        return {item["Key"].removeprefix("gengap/") for page in pages for item in page.get("Contents", ())}

    def read(self, name: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=self.name, Key=f"gengap/{name}")["Body"].read()
        return content

    def write(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=f"gengap/{name}", Body=content)

    def remove(self, name: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=f"gengap/{name}")
