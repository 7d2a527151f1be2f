"""Ends with 0 if a server answers as it answers a night: `healthy.py URL`, as the NAME:PASSWORD of $HEALTH_USER."""

import base64
import os
import sys
from urllib.request import Request, urlopen

if __name__ == "__main__":
    user = os.environ.get("HEALTH_USER", "")
    headers = {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}
    try:
        with urlopen(Request(sys.argv[1], headers=headers), timeout=8) as answer:
            sys.exit(answer.status != 200)
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
