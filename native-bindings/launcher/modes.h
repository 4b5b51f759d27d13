/* What the launcher's binary is beside a launcher: the argument 0 says which. Each serves one socket of the daemon's and decides nothing. */
#ifndef TSDOCKER_MODES_H
#define TSDOCKER_MODES_H

/* tsdocker-netns: makes network namespaces, on descriptor 1. */
int run_namespace_maker(void);
/* tsdocker-ports: holds published ports, on the connection 1 and the listener 3. */
int run_port_keeper(void);

#endif
