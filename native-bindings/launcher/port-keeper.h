/*
 * The port keeper holds the sockets of published ports, so that nobody else takes them while the daemon is away, and serves whatever
 * reaches them: what the firewall cannot translate ([::1], a container without IPv6) and everything while it has no rules.
 */
#ifndef TSDOCKER_PORT_KEEPER_H
#define TSDOCKER_PORT_KEEPER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { ID_BYTES = 64, MAX_CONTROLS = 8 };

/*
 * Both ways on the control socket. 'A' add (with one descriptor: the bound socket), 'R' remove, 'L' list, 'H' hello. The answer has the
 * letter in lower case and an error number in `status`; to 'L' one 'p' for each port comes before it; to 'H' host[0] has the version of the
 * protocol. Whoever asks more than it reads is not heard until it has read: nothing is lost, however many ports there are. Numbers of
 * ports in network order. Version 0 knew no 'H', and closed the socket of who did not read some 278 frames in time.
 */
enum { PROTOCOL_VERSION = 1 };

struct frame {
	uint8_t operation, status;
	uint8_t protocol; /* IPPROTO_* */
	uint8_t families; /* 1: the host's address is IPv6, 2: the container's is */
	in_port_t host_port, container_port;
	uint8_t host[16], container[16];
	char id[ID_BYTES];
};

struct source;

/* What epoll reports: the first member of each thing that has a descriptor there. */
struct source {
	void (*ready)(struct source *source, uint32_t events);
};

struct port {
	struct source source;
	int fd;
	struct frame frame;
	struct sockaddr_storage target;
	socklen_t target_length;
	unsigned used; /* connections or flows */
	struct port *next;
};

extern struct port *keeper_ports;

/* What the limit of open files allows for all ports; one may have half of it. */
struct keeper_limits {
	unsigned connections, flows;
};

extern struct keeper_limits keeper_limits;

int watch(int fd, struct source *source, uint32_t events);
int rewatch(int fd, struct source *source, uint32_t events);
/* A source must not be freed while other events of the same round may point to it: this frees at the end of the round. */
void free_later(void *memory);
int64_t now_ms(void);

/* The port of this protocol that has the most connections or flows: where all are taken, one of its makes room. NULL without any. */
struct port *greediest_port(uint8_t protocol);

/* Error numbers. The descriptor is the port's from here on, also when it is refused. */
uint8_t add_port(const struct frame *frame, int fd);
uint8_t remove_port(const struct frame *frame);

/* port-control.c */
void controls_open(void);
/* -1 for a peer that is not root, and when there are too many: the descriptor is still the caller's then. */
int control_add(int fd);
bool controls_any(void);
/* A port that goes is listed to nobody any more. */
void controls_skip(const struct port *port);

void tcp_accept(struct source *source, uint32_t events);
/* Cuts the connections of a port, of all with NULL. */
void tcp_close_all(const struct port *port);
void udp_receive(struct source *source, uint32_t events);
void udp_close_all(const struct port *port);
/* Flows that nobody uses end. Returns after how many milliseconds to call again, -1 when there is none. */
int udp_expire(void);

/* Gives up everything that the keeper does not need: from here on only system calls of a short list are left. */
int confine(void);

#endif
