"""`python cli.py ...` is `gencodec ...`: a door for use from a checkout without installing."""

from gencodec.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
