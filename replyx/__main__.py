"""`python -m replyx` is the `replyx` command."""

from replyx.cli.main import main

if __name__ == "__main__":
    main()
