/* The least client of qtest: commands in one write, replies counted by their newlines. Usage: qtest-client SOCKET SECONDS OPERATIONS PROGRAM ARGUMENT...
 * It listens, starts the program, and prints the operations a second. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 2;
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    snprintf(name.sun_path, sizeof name.sun_path, "%s", argv[1]);
    int listening = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listening < 0 || bind(listening, (struct sockaddr *)&name, sizeof name) || listen(listening, 1))
        return 1;
    pid_t vmm = fork();
    if (vmm == 0) {
        execvp(argv[4], argv + 4);
        _exit(127);
    }
    int s = accept(listening, NULL, NULL);
    if (s < 0)
        return 1;
    int each = atoi(argv[3]);
    static const char command[] = "inb 0x3fd\n";
    size_t bytes = (sizeof command - 1) * each;
    char *batch = malloc(bytes), buffer[65536];
    for (int i = 0; i < each; i++)
        memcpy(batch + i * (sizeof command - 1), command, sizeof command - 1);
    long done = 0;
    double start = now(), limit = atof(argv[2]);
    while (now() - start < limit) {
        if (write(s, batch, bytes) != (ssize_t)bytes)
            return 1;
        for (int left = each; left > 0;) {
            ssize_t count = read(s, buffer, sizeof buffer);
            if (count <= 0)
                return 1;
            for (ssize_t i = 0; i < count; i++)
                left -= buffer[i] == '\n';
        }
        done += each;
    }
    printf("%.0f\n", done / (now() - start));
    kill(vmm, SIGKILL);
    waitpid(vmm, NULL, 0);
    return 0;
}
