# Completion of migratectl(1) in fish: the program itself knows what may come next.
complete -c migratectl -f -a '(migratectl --complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
