"""``python -m gan_cli`` is ``gan-train``: the form that process launchers need."""

from gan_cli.cli import gan_train

if __name__ == "__main__":
    gan_train()
