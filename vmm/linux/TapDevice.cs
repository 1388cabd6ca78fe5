using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Linux;

/// <summary>TAP interfaces: Ethernet frames of the host's network stack, one by a read or a write.</summary>
/// <remarks>Linux, Documentation/networking/tuntap.rst.</remarks>
public static unsafe class TapDevice
{
    public const string ControlPath = "/dev/net/tun";

    /// <summary>Longest name of an interface, in bytes.</summary>
    public const int MaxNameBytes = 15;

    private const nuint TUNSETIFF = 0x400454ca;
    private const short IFF_TAP = 2, IFF_NO_PI = 0x1000;

    /// <summary>Attaches to an interface, making it where the caller may.</summary>
    /// <param name="name">Null or empty: the kernel finds one. The name that it got is given back.</param>
    /// <exception cref="LinuxException">There are no TAP devices here, or this one is not for us.</exception>
    public static SafeFileHandle Open(ref string? name)
    {
        if (Encoding.UTF8.GetByteCount(name ?? "") > MaxNameBytes)
            throw new LinuxException($"TAP interface {name}, longer than {MaxNameBytes} bytes", 36);
        var handle = Libc.open(ControlPath, Libc.O_RDWR | Libc.O_CLOEXEC);
        if (handle.IsInvalid)
            throw LinuxException.ForErrno($"opening {ControlPath}");
        var request = new Request { Flags = IFF_TAP | IFF_NO_PI };
        Encoding.UTF8.GetBytes(name ?? "", new Span<byte>(request.Name, MaxNameBytes));
        if (Libc.ioctl(handle, TUNSETIFF, &request) != 0)
        {
            var error = LinuxException.ForErrno($"attaching to TAP interface '{name}'");
            handle.Dispose();
            throw error;
        }
        var got = new ReadOnlySpan<byte>(request.Name, MaxNameBytes + 1);
        name = Encoding.UTF8.GetString(got[..got.IndexOf((byte)0)]);
        return handle;
    }

    /// <summary>struct ifreq.</summary>
    private struct Request
    {
        public fixed byte Name[MaxNameBytes + 1];
        public short Flags;
        public fixed byte Rest[22];
    }
}
