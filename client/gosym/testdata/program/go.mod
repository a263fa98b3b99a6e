module example.com/program/v2

go 1.26
