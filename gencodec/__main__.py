"""`python -m gencodec ...` is `gencodec ...`."""

from gencodec.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
