using System.Net.Sockets;
using System.Text;
using Gauntlet.Vmm.Network;

namespace Gauntlet.Vmm.Tests.Network;

/// <summary>A socket device's host as programs see it.</summary>
public sealed class UnixVsockTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-vsock-").FullName;
    private readonly SemaphoreSlim _changed = new(0);
    private readonly UnixVsock _host;

    public UnixVsockTests()
    {
        _host = new UnixVsock(SocketPath);
        _host.Connect(() => _changed.Release());
    }

    private string SocketPath => Path.Combine(_folder, "v.sock");

    public void Dispose()
    {
        _host.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("CONNECT 1234\n")]
    [InlineData("CONNECT 1234\r\n")]
    public async Task Who_connects_says_which_port_and_is_told_when_the_guest_accepts(string request)
    {
        using var program = Connect(SocketPath);
        // In pieces, and what follows the line is the guest's.
        program.Send(Encoding.ASCII.GetBytes(request[..5]));
        program.Send(Encoding.ASCII.GetBytes(request[5..] + "hi"));
        var (stream, port) = await Incoming();
        using (stream)
        {
            Assert.Equal(1234u, port);
            stream.NoteAccepted(99);
            var answer = new byte[16];
            Assert.Equal("OK 99\n", Encoding.ASCII.GetString(answer, 0, program.Receive(answer)));
            Assert.Equal(2, stream.Receive(answer));
            Assert.Equal("hi"u8, answer.AsSpan(0, 2));
            Assert.True(stream.Receive(answer) < 0);
            Assert.False(stream.IsHungUp);
            program.Shutdown(SocketShutdown.Send);
            await Change();
            Assert.Equal(0, stream.Receive(answer));
        }
        Assert.Equal(0, program.Receive(new byte[1]));
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\n")]
    [InlineData("CONNECT\n")]
    [InlineData("CONNECT -1\n")]
    [InlineData("CONNECT 4294967296\n")]
    [InlineData("CONNECT 00000000000000000000001")]
    public async Task Who_asks_for_no_port_is_hung_up_on(string request)
    {
        using var program = Connect(SocketPath);
        program.Send(Encoding.ASCII.GetBytes(request));
        var ended = Task.Run(() =>
        {
            try
            {
                return program.Receive(new byte[1]);
            }
            catch (SocketException)
            {
                // Reset, as not all of it was read.
                return 0;
            }
        });
        while (!ended.IsCompleted)
        {
            Assert.Null(_host.TakeIncoming(out _));
            await Task.WhenAny(ended, _changed.WaitAsync(Limit));
        }
        Assert.Equal(0, await ended);
    }

    [Fact]
    public async Task A_guest_reaches_who_listens_at_the_path_with_its_port()
    {
        Assert.Null(_host.TryOpen(77));
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(SocketPath + "_77"));
        listener.Listen(4);
        using var stream = _host.TryOpen(77);
        Assert.NotNull(stream);
        using var program = await listener.AcceptAsync().WaitAsync(Limit);
        Assert.Equal(3, stream.Send("abc"u8));
        var bytes = new byte[8];
        Assert.Equal(3, program.Receive(bytes));
        // Until nothing more fits, which is no error.
        while (stream.Send(new byte[4096]) > 0)
        {
        }
        stream.EndSending();
        program.Close();
        await Change();
        Assert.True(stream.IsHungUp);
        Assert.True(stream.Send("x"u8) < 0);
    }

    [Fact]
    public void Its_socket_goes_with_it()
    {
        var path = Path.Combine(_folder, "other.sock");
        var other = new UnixVsock(path);
        Assert.True(File.Exists(path));
        other.Dispose();
        Assert.False(File.Exists(path));
    }

    private static Socket Connect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private async Task<(IVsockStream Stream, uint Port)> Incoming()
    {
        while (true)
        {
            if (_host.TakeIncoming(out var port) is { } stream)
                return (stream, port);
            await Change();
        }
    }

    private async Task Change() => Assert.True(await _changed.WaitAsync(Limit), "nothing was told");
}
