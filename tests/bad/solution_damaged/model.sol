net.h.weights[0,0] one
