using Gauntlet.Linux;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Network;

/// <summary>A network over a descriptor of which each read and write is one frame: a datagram socket, or a TAP device.</summary>
/// <param name="to">Path of the socket that frames are sent to, which may come and go; null where the descriptor leads there by itself.</param>
public sealed class DatagramNetwork(string id, string description, SafeFileHandle handle, string? to = null) : NetworkBackend(id)
{
    private readonly EventFd _end = new();

    public override string Description => description;

    public override void Dispose()
    {
        base.Dispose();
        _end.Signal();
    }

    protected override void Receive()
    {
        SetUp(true);
        var buffer = new byte[EthernetFrame.MaxBytes + 1];
        while (_end.WaitForInput(handle))
        {
            var length = Libc.Read(handle, buffer);
            // Nobody may be at the other end yet, or no more; a datagram that is longer than a frame is cut off by the kernel, and lost.
            if (length is > 0 and <= EthernetFrame.MaxBytes && !Deliver(buffer.AsSpan(0, length)))
                break;
        }
    }

    protected override void SendAll()
    {
        var buffer = new byte[EthernetFrame.MaxBytes];
        for (int length; (length = TakeForHost(buffer)) > 0;)
        {
            if (to is null)
                _ = Libc.Write(handle, buffer.AsSpan(0, length));
            else
                DatagramSocket.Send(handle, to, buffer.AsSpan(0, length));
        }
    }

    protected override void Close()
    {
        handle.Dispose();
        _end.Dispose();
    }
}
