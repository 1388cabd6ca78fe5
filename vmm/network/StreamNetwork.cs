using System.Buffers.Binary;
using Gauntlet.Linux;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Network;

/// <summary>
/// A network over a stream socket, as QEMU's <c>-netdev socket</c> and <c>stream</c> and passt speak it: before each frame its length, 32 bits, big endian.
/// </summary>
/// <remarks>A listening one serves one connection after the other; while there is none the link is down. A length that no frame has ends the connection.</remarks>
public class StreamNetwork : NetworkBackend
{
    private const int LengthBytes = sizeof(uint);
    private const int BufferBytes = 2 * (EthernetFrame.MaxBytes + LengthBytes);

    private readonly SafeFileHandle? _listener;
    private readonly Lock _gate = new(), _writing = new();
    private SafeFileHandle? _first, _peer;

    /// <param name="description">Where it leads.</param>
    /// <param name="listener">Waits for connections; null when there is one only.</param>
    /// <param name="connection">Connected already; null when there is a listener.</param>
    public StreamNetwork(string id, string description, SafeFileHandle? listener, SafeFileHandle? connection)
        : base(id) => (Description, _listener, _first) = (description, listener, connection);

    public override string Description { get; }

    public override void Dispose()
    {
        base.Dispose();
        lock (_gate)
        {
            // Whoever is in a read or a write comes back.
            if (_peer is not null)
                UnixSocket.Shutdown(_peer);
            if (_listener is not null)
                UnixSocket.Shutdown(_listener);
        }
    }

    protected override void Close()
    {
        _first?.Dispose();
        _listener?.Dispose();
    }

    protected override void Receive()
    {
        while (Next() is { } peer)
        {
            SetUp(true);
            ReceiveFrom((int)peer.DangerousGetHandle());
            lock (_gate)
                _peer = null;
            SetUp(false);
            // A writer that waits for the reader that is gone comes back.
            UnixSocket.Shutdown(peer);
            lock (_writing)
                peer.Dispose();
        }
    }

    protected override void SendAll()
    {
        var buffer = new byte[BufferBytes];
        for (int length; (length = TakeForHost(buffer.AsSpan(LengthBytes))) > 0;)
        {
            // What waits goes out in one write.
            BinaryPrimitives.WriteInt32BigEndian(buffer, length);
            var filled = LengthBytes + length;
            while (filled + LengthBytes < buffer.Length && (length = TryTakeForHost(buffer.AsSpan(filled + LengthBytes))) > 0)
            {
                BinaryPrimitives.WriteInt32BigEndian(buffer.AsSpan(filled), length);
                filled += LengthBytes + length;
            }
            lock (_writing)
            {
                if (Volatile.Read(ref _peer) is { } peer)
                    _ = Descriptors.WriteAll((int)peer.DangerousGetHandle(), buffer.AsSpan(0, filled));
            }
        }
    }

    private SafeFileHandle? Next()
    {
        SafeFileHandle? next;
        lock (_gate)
            (next, _first) = (_first, null);
        next ??= _listener is null ? null : UnixSocket.Accept(_listener);
        lock (_gate)
        {
            if (!IsEnded)
                return _peer = next;
            next?.Dispose();
            return null;
        }
    }

    private void ReceiveFrom(int fd)
    {
        var buffer = new byte[BufferBytes];
        var filled = 0;
        while (true)
        {
            var count = Descriptors.Read(fd, buffer.AsSpan(filled));
            if (count == 0)
                return;
            filled += count;
            var at = 0;
            while (filled - at >= LengthBytes)
            {
                var length = BinaryPrimitives.ReadUInt32BigEndian(buffer.AsSpan(at));
                if (length is 0 or > EthernetFrame.MaxBytes)
                    return;
                if (filled - at - LengthBytes < length)
                    break;
                if (!Deliver(buffer.AsSpan(at + LengthBytes, (int)length)))
                    return;
                at += LengthBytes + (int)length;
            }
            buffer.AsSpan(at, filled - at).CopyTo(buffer);
            filled -= at;
        }
    }
}
