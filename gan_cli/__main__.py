"""``python -m gan_cli`` is ``gan-train``: the form that process launchers need."""

from gan_cli.cli.train import main

if __name__ == "__main__":
    main()
