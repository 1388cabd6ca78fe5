using System.Buffers.Binary;
using System.Net.Sockets;
using Gauntlet.Linux;
using Gauntlet.Vmm.Network;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Tests.Network;

/// <summary>The host's ends of cables, over real sockets and interfaces.</summary>
public sealed class NetworkBackendTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-net-").FullName;
    private readonly List<IDisposable> _open = [];

    public void Dispose()
    {
        foreach (var item in _open)
            item.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Each_frame_goes_out_behind_its_length()
    {
        var (end, peer) = NewStream();
        end.Send(new byte[] { 1, 2, 3 });
        Assert.Equal(new byte[] { 0, 0, 0, 3, 1, 2, 3 }, ReadExactly(peer, 7));
    }

    [Fact]
    public void Frames_come_in_whole_however_the_stream_is_cut()
    {
        var (end, peer) = NewStream();
        var stream = new List<byte>();
        for (var i = 1; i <= 20; i++)
            stream.AddRange([0, 0, (byte)(i * 100 >> 8), (byte)(i * 100), .. Enumerable.Repeat((byte)i, i * 100)]);
        for (var (at, piece) = (0, 1); at < stream.Count; at += piece, piece = piece * 2 % 1021)
            Descriptors.WriteAll((int)peer.DangerousGetHandle(), stream.Skip(at).Take(piece).ToArray());
        for (var i = 1; i <= 20; i++)
            Assert.Equal(Enumerable.Repeat((byte)i, i * 100), end.Receive());
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(EthernetFrame.MaxBytes + 1u)]
    [InlineData(uint.MaxValue)]
    public void A_length_that_no_frame_has_ends_the_connection(uint length)
    {
        var (_, peer) = NewStream();
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, length);
        Descriptors.WriteAll((int)peer.DangerousGetHandle(), bytes);
        Assert.Equal(0, Descriptors.Read((int)peer.DangerousGetHandle(), bytes));
    }

    [Fact]
    public async Task Nothing_is_lost_to_a_reader_that_is_slow()
    {
        const int Frames = 3000, FrameBytes = 1000;
        var (end, peer) = NewStream();
        var sender = Task.Run(() =>
        {
            var frame = new byte[FrameBytes];
            for (var i = 0; i < Frames; i++)
            {
                BinaryPrimitives.WriteInt32LittleEndian(frame, i);
                end.WaitUntil(() => end.Backend.CanSend);
                end.Backend.Send(frame);
            }
        });
        for (var i = 0; i < Frames; i++)
            Assert.Equal(i, BinaryPrimitives.ReadInt32LittleEndian(ReadExactly(peer, 4 + FrameBytes).AsSpan(4)));
        await sender.WaitAsync(Limit);
    }

    [Fact]
    public async Task A_guest_that_takes_nothing_holds_its_sender_back_and_loses_nothing()
    {
        const int Frames = 2000, FrameBytes = 1000;
        var (end, peer) = NewStream();
        var sender = Task.Run(() =>
        {
            var frame = new byte[4 + FrameBytes];
            BinaryPrimitives.WriteInt32BigEndian(frame, FrameBytes);
            for (var i = 0; i < Frames; i++)
            {
                BinaryPrimitives.WriteInt32LittleEndian(frame.AsSpan(4), i);
                Descriptors.WriteAll((int)peer.DangerousGetHandle(), frame);
            }
        });
        for (var i = 0; i < Frames; i++)
            Assert.Equal(i, BinaryPrimitives.ReadInt32LittleEndian(end.Receive()));
        await sender.WaitAsync(Limit);
    }

    [Fact]
    public void A_listening_one_is_up_while_somebody_is_there()
    {
        var path = Path.Combine(_folder, "net");
        var end = Open(new StreamNetwork("n0", "test", UnixSocket.Listen(path), null));
        Assert.False(end.Backend.IsUp);
        for (var i = 0; i < 2; i++)
        {
            using (UnixSocket.Connect(path))
                end.WaitUntil(() => end.Backend.IsUp);
            end.WaitUntil(() => !end.Backend.IsUp);
        }
    }

    [Fact]
    public void Datagrams_are_frames_for_whoever_is_there_by_then()
    {
        var (here, there) = (Path.Combine(_folder, "here"), Path.Combine(_folder, "there"));
        var end = Open(new DatagramNetwork("n0", "test", DatagramSocket.OpenUnix(here, there), there));
        end.WaitUntil(() => end.Backend.IsUp);
        using var peer = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        peer.Bind(new UnixDomainSocketEndPoint(there));
        end.Send(new byte[] { 5, 6, 7 });
        var buffer = new byte[100];
        Assert.Equal(3, peer.Receive(buffer));
        peer.SendTo(new byte[] { 8, 9 }, new UnixDomainSocketEndPoint(here));
        Assert.Equal(new byte[] { 8, 9 }, end.Receive());
    }

    [Fact]
    public void A_path_that_no_address_holds_is_refused_before_anything_is_sent() =>
        Assert.Contains("longer than", Assert.Throws<LinuxException>(() => DatagramSocket.OpenUnix(Path.Combine(_folder, "here"), new string('x', 108))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_dump_is_a_pcap_file_of_both_directions()
    {
        var path = Path.Combine(_folder, "dump.pcap");
        var (end, peer) = NewStream(new FrameDump(path, keptBytes: 4));
        end.Send(new byte[] { 1, 2, 3, 4, 5, 6 });
        ReadExactly(peer, 10);
        Descriptors.WriteAll((int)peer.DangerousGetHandle(), [0, 0, 0, 2, 7, 8]);
        end.Receive();
        var file = File.ReadAllBytes(path);
        Assert.Equal(new byte[] { 0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0 }, file[..24]);
        Assert.Equal(new byte[] { 4, 0, 0, 0, 6, 0, 0, 0, 1, 2, 3, 4 }, file[32..44]);
        Assert.Equal(new byte[] { 2, 0, 0, 0, 2, 0, 0, 0, 7, 8 }, file[52..]);
    }

    [TapFact]
    public void A_tap_interface_carries_frames_of_the_hosts_stack()
    {
        string? name = null;
        var end = Open(new DatagramNetwork("n0", "test", TapDevice.Open(ref name)));
        Assert.NotEmpty(name!);
        using var raised = System.Diagnostics.Process.Start("ip", ["link", "set", name!, "up"]);
        Assert.True(raised.WaitForExit(Limit));
        Assert.Equal(0, raised.ExitCode);
        // An interface that comes up has IPv6 neighbours to find: multicast listener reports and router solicitations.
        var frame = end.Receive();
        Assert.True(frame.Length >= EthernetFrame.HeaderBytes);
    }

    [PasstFact]
    public void The_user_network_answers_dhcp()
    {
        var end = Open(UserNetwork.Start("n0", []));
        end.WaitUntil(() => end.Backend.IsUp);
        end.Send(DhcpDiscover());
        while (true)
        {
            var frame = end.Receive();
            // UDP from the server's port to the client's, our transaction, an answer.
            if (frame.Length > 46 && frame[23] == 17 && frame[35] == 67 && frame[37] == 68 && frame[42] == 2 && frame.AsSpan(46, 4).SequenceEqual("gntl"u8))
                break;
        }
    }

    // RFC 2131: BOOTREQUEST with option 53, DISCOVER, in UDP in IPv4 in Ethernet.
    private static byte[] DhcpDiscover()
    {
        var frame = new byte[14 + 20 + 8 + 300];
        MacAddress.Broadcast.Write(frame);
        MacAddress.Default(0).Write(frame.AsSpan(6));
        frame[12] = 8;
        var ip = frame.AsSpan(14);
        ip[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(ip[2..], (ushort)ip.Length);
        (ip[8], ip[9]) = (64, 17);
        ip.Slice(16, 4).Fill(0xff);
        uint sum = 0;
        for (var i = 0; i < 20; i += 2)
            sum += BinaryPrimitives.ReadUInt16BigEndian(ip[i..]);
        BinaryPrimitives.WriteUInt16BigEndian(ip[10..], (ushort)~(sum + (sum >> 16)));
        var udp = ip[20..];
        (udp[1], udp[3]) = (68, 67);
        BinaryPrimitives.WriteUInt16BigEndian(udp[4..], (ushort)udp.Length);
        var bootp = udp[8..];
        (bootp[0], bootp[1], bootp[2]) = (1, 1, 6);
        "gntl"u8.CopyTo(bootp[4..]);
        MacAddress.Default(0).Write(bootp[28..]);
        new byte[] { 0x63, 0x82, 0x53, 0x63, 53, 1, 1, 0xff }.CopyTo(bootp[236..]);
        return frame;
    }

    private (End End, SafeFileHandle Peer) NewStream(FrameDump? dump = null)
    {
        var (ours, theirs) = UnixSocket.Pair();
        var backend = new StreamNetwork("n0", "test", null, ours);
        if (dump is not null)
            backend.Add(dump);
        var end = Open(backend);
        _open.Add(theirs);
        end.WaitUntil(() => backend.IsUp);
        return (end, theirs);
    }

    private End Open(NetworkBackend backend)
    {
        _open.Add(backend);
        return new End(backend);
    }

    private static byte[] ReadExactly(SafeFileHandle handle, int count)
    {
        var bytes = new byte[count];
        for (var at = 0; at < count;)
        {
            var got = Descriptors.Read((int)handle.DangerousGetHandle(), bytes.AsSpan(at));
            Assert.True(got > 0, "the other end is gone");
            at += got;
        }
        return bytes;
    }

    /// <summary>A device's end of the cable.</summary>
    private sealed class End
    {
        private readonly object _gate = new();

        public End(NetworkBackend backend)
        {
            Backend = backend;
            backend.Connect(() =>
            {
                lock (_gate)
                    Monitor.PulseAll(_gate);
            });
            backend.Start();
        }

        public NetworkBackend Backend { get; }

        public void Send(byte[] frame)
        {
            Assert.True(Backend.CanSend);
            Backend.Send(frame);
        }

        public byte[] Receive()
        {
            var buffer = new byte[EthernetFrame.MaxBytes];
            var length = 0;
            WaitUntil(() => (length = Backend.Peek(buffer)) > 0);
            Backend.Take();
            return buffer[..length];
        }

        public void WaitUntil(Func<bool> condition)
        {
            lock (_gate)
            {
                while (!condition())
                    Assert.True(Monitor.Wait(_gate, Limit), "nothing happened");
            }
        }
    }
}
