/*
 * Makes network namespaces, which may take its time: the kernel has its locks. On descriptor 1 (a stream): for each byte 'n' a namespace is
 * made, with loopback up, and the number of its open file written (4 bytes, little-endian; negative is an error number). The daemon takes
 * that from /proc; the next byte, whatever it is, closes it here. The end of input is the end.
 */
#include "kernel.h"
#include "modes.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

static int raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int result, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	result = ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return result;
}

/* Returns the open namespace, and is back in its own: nothing here may keep one alive. */
static int make_namespace(int home)
{
	int made = -1;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	if (raise_loopback() == 0)
		made = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (made < 0)
		made = -errno;
	if (setns(home, CLONE_NEWNET) < 0)
		_exit(1);
	return made;
}

int run_namespace_maker(void)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), made = -1;
	char byte;

	prctl(PR_SET_NAME, "tsdocker-netns", 0, 0, 0);
	/* It holds no secret; the daemon may lack the capability that looking into an undumpable process takes. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (home < 0)
		return 2;
	for (;;) {
		ssize_t count = read(1, &byte, 1);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return 0;
		if (made >= 0)
			close(made);
		made = -1;
		if (byte != 'n')
			continue;
		made = make_namespace(home);
		if (send(1, &(int32_t){made}, 4, MSG_NOSIGNAL) != 4)
			return 0;
	}
}
