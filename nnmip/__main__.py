"""`python -m nnmip`."""

from nnmip.cli.main import main

main()
