"""Ends with 1 unless every secret in its environment is one: long, of its own, and not an example's."""

import os
import sys
from collections import Counter

NAMES = ("POSTGRES_PASSWORD", "S3_SECRET_KEY", "MLFLOW_PASSWORD", "MLFLOW_SECRET_KEY", "PREFECT_PASSWORD")
LEAST = 12  # characters
EXAMPLES = ("change", "password", "example", "secret")


def complaints(secrets: dict[str, str]) -> list[str]:
    """What is wrong with them; never what they are."""
    used = Counter(secrets.values())
    found = []
    for name, value in secrets.items():
        if len(value) < LEAST:
            found.append(f"{name}: expected at least {LEAST} characters, got {len(value)}.")
        elif any(example in value.lower() for example in EXAMPLES):
            found.append(f"{name}: expected a secret of your own, got one that looks like an example's.")
        elif used[value] > 1:
            found.append(f"{name}: expected a secret of its own, got one that another name has too.")
    return found


if __name__ == "__main__":
    wrong = complaints({name: os.environ.get(name, "") for name in NAMES})
    print("\n".join(wrong) + "\nSet it in .env." if wrong else "Every secret is set.")
    sys.exit(bool(wrong))
