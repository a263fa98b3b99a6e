module example.com/oraclecgo

go 1.26
