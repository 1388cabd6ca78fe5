using System.Globalization;
using System.Text;

namespace Gauntlet.Harness.Nesting;

/// <summary>
/// The shell script that an L1's init runs, and the scripts that it is sent. The agent reads "MARKER SCRIPT" lines, runs the script, whose output and standard error have a port
/// each and whose supervisor (<c>vmm/linux/supervise</c>) reports on the control port, and then ends what each of the three ports got by the marker. Only the harness and the agent know
/// that: what a guest prints cannot be taken for the end of its case, nor for its status.
/// </summary>
internal static class L1Agent
{
    public const string Control = "control", Output = "output", Error = "error", Watch = "watch";

    /// <summary>Ports of the L1's virtio-serial, in the order of their numbers, from 1.</summary>
    public static readonly IReadOnlyList<string> Ports = [Control, Output, Error, Watch];

    /// <summary>Bytes of a marker, of <see cref="Ready"/> and of a reason behind <see cref="Failed"/>; a supervisor's report is as long.</summary>
    public const int MarkerLength = 32;

    /// <summary>The agent's first words on the control port; the second's continuation says what is missing.</summary>
    public const string Ready = "ready", Failed = "failed: ";

    /// <summary>On the console, where there are no ports to say it on.</summary>
    public const string NoPorts = "gauntlet: the kernel has no virtio console";

    /// <summary>Sent on the watch port: ends the case that runs.</summary>
    public const string End = "end";

    /// <summary>Where a case may write, as it sees it; empty when it starts.</summary>
    public const string Scratch = "/dev/shm/case";

    /// <summary>The supervisor, as a case sees it.</summary>
    private const string Supervisor = "/dev/shm/supervise";

    /// <summary>Where the host's files are mounted, outside of what a case sees.</summary>
    private const string Root = "/host";

    /// <summary>What the agent needs, and what serves KVM on this CPU. What the kernel has built in is passed over.</summary>
    public static IReadOnlyList<string> Modules(string kvmModule) => ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", kvmModule];

    /// <summary>The agent. It never returns: an L1 is ended from outside.</summary>
    public const string Script = $$"""
        exec 2>/dev/console
        fail() { printf '%-32.32s' "{{Failed}}$1" >&3; while :; do sleep 1000; done; }
        n=0
        until [ -c "$(echo /dev/vport*p4)" ]; do
            n=$((n + 1))
            [ $n -lt 100 ] || { echo "{{NoPorts}}"; poweroff -f; }
            sleep 0.1
        done
        exec 3<>$(echo /dev/vport*p1) 4>$(echo /dev/vport*p2) 5>$(echo /dev/vport*p3) 6<>$(echo /dev/vport*p4)
        mkdir {{Root}} || fail 'no folder'
        mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro {{L1Spec.RootTag}} {{Root}} || fail 'no 9p over virtio'
        mount -t proc proc {{Root}}/proc && mount -t sysfs sys {{Root}}/sys && mount -o bind /dev {{Root}}/dev || fail 'no proc, sysfs, devtmpfs'
        mkdir -p /dev/shm && mount -t tmpfs shm {{Root}}/dev/shm && cp /supervise {{Root}}{{Supervisor}} || fail 'no tmpfs'
        [ -c /dev/kvm ] || fail 'no /dev/kvm'
        while :; do
            read -r word <&6 || { sleep 1; continue; }
            [ "$word" = {{End}} ] && kill -TERM $(cat /tmp/case)
        done &
        printf '%-32.32s' {{Ready}} >&3
        while :; do
            read -r marker script <&3 || { sleep 1; continue; }
            rm -rf {{Root}}{{Scratch}}
            mkdir {{Root}}{{Scratch}}
            sh {{Root}}$script </dev/null >&4 2>&5 3>&3 4>&- 5>&- 6>&- &
            echo $! >/tmp/case
            wait $!
            printf %s $marker >&4
            printf %s $marker >&5
            printf %s $marker >&3
        done

        """;

    /// <summary>The script that runs a command.</summary>
    /// <param name="command">Program (absolute) and arguments.</param>
    /// <param name="fileBytes">Limit of any file it writes.</param>
    public static string Request(IReadOnlyList<string> command, IEnumerable<KeyValuePair<string, string>> environment, long fileBytes)
    {
        var text = new StringBuilder();
        // Not exported one by one: a variable may have a name that no shell takes.
        text.Append("exec /bin/busybox env -i");
        foreach (var (name, value) in environment)
            text.Append(' ').Append(Quote($"{name}={value}"));
        // In the shell's place: the supervisor looks for a parent of this number. Its PID namespace ends whatever the command leaves.
        text.Append(CultureInfo.InvariantCulture, $" /bin/busybox chroot {Root} {Supervisor} 3 $PPID 3 - - {fileBytes}");
        foreach (var word in command)
            text.Append(' ').Append(Quote(word));
        return text.Append('\n').ToString();
    }

    internal static string Quote(string word) => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
