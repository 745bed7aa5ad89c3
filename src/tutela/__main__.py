"""`python -m tutela`: the same as the command `tutela`."""

from tutela.cli.main import main

if __name__ == "__main__":
    main(prog_name="tutela")
