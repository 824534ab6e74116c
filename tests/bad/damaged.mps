NAME          model
ROWS
 X  objective
ENDATA
