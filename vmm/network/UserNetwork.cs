using System.Globalization;
using Gauntlet.Linux;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Network;

/// <summary>
/// A network that ends in sockets of the host's user, without privileges: <c>passt</c> is the router, DHCP and DNS server of it, at the other end of a stream socket. It ends when its
/// socket is closed, and so with this process.
/// </summary>
public static class UserNetwork
{
    /// <summary>Where distributions have it.</summary>
    public const string Program = "/usr/bin/passt";

    // As Libc.Spawn numbers them: 1 and 2 are standard output and error.
    private const int SocketDescriptor = 3;

    /// <summary>Starts it.</summary>
    /// <param name="forwards">What it is to forward from the host into the guest, in the words of its options: <c>-t 2222:22</c>.</param>
    /// <exception cref="LinuxException">It is not installed, or cannot be started.</exception>
    public static NetworkBackend Start(string id, IReadOnlyList<string> forwards)
    {
        if (!File.Exists(Program))
            throw new LinuxException($"starting {Program} for -netdev user: install passt, or use another -netdev", Libc.ENOENT);
        var (ours, theirs) = UnixSocket.Pair();
        using (theirs)
        {
            using var standardError = new SafeFileHandle(Descriptors.StandardError, ownsHandle: false);
            try
            {
                List<string> arguments = ["passt", "--foreground", "--quiet", "--fd", SocketDescriptor.ToString(CultureInfo.InvariantCulture), .. forwards];
                var pid = Libc.Spawn(Program, arguments, ["PATH=/usr/bin:/bin"], "/", [standardError, standardError, theirs]);
                return new PasstNetwork(id, ours, pid);
            }
            catch
            {
                ours.Dispose();
                throw;
            }
        }
    }

    /// <summary>The stream to it, and its process.</summary>
    private sealed class PasstNetwork(string id, SafeFileHandle socket, int pid) : StreamNetwork(id, $"user: passt, process {pid}", null, socket)
    {
        protected override void Close()
        {
            base.Close();
            _ = Libc.kill(pid, Libc.SIGTERM);
            Libc.Reap(pid);
        }
    }
}
