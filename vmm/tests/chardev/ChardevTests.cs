using System.Net;
using System.Net.Sockets;
using System.Text;
using Gauntlet.Linux;
using Gauntlet.Vmm.Chardevs;
using SocketAddress = Gauntlet.Vmm.Chardevs.SocketAddress;

namespace Gauntlet.Vmm.Tests.ChardevTests;

public sealed class ChardevTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly string _folder = Directory.CreateTempSubdirectory("gvmm-chardev-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_listening_unix_socket_serves_one_after_the_other()
    {
        var path = Path.Combine(_folder, "s");
        using var chardev = new SocketChardev("c", new SocketAddress(path), listens: true, waits: false);
        var user = new Echo(chardev);
        chardev.Start();
        for (var i = 0; i < 3; i++)
        {
            using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await client.ConnectAsync(new UnixDomainSocketEndPoint(path));
            Assert.Equal($"hello {i}", await ExchangeAsync(client, $"hello {i}"));
        }
        Assert.True(user.Connections is 3);
    }

    [Fact]
    public async Task A_connecting_chardev_reaches_a_tcp_port_and_may_be_disposed_after_the_peer_has_gone()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var port = (ushort)((IPEndPoint)listener.LocalEndPoint!).Port;
        using var chardev = new SocketChardev("c", new SocketAddress(null, "127.0.0.1", port), listens: false, waits: false);
        var user = new Echo(chardev);
        chardev.Start();
        using (var peer = await listener.AcceptAsync())
            Assert.Equal("over tcp", await ExchangeAsync(peer, "over tcp"));
        await user.Disconnected.Task.WaitAsync(Patience);
        chardev.Dispose();
    }

    [Fact]
    public async Task A_listening_tcp_port_serves_a_client()
    {
        var port = FreePort();
        using var chardev = new SocketChardev("c", new SocketAddress(null, "localhost", port), listens: true, waits: false);
        _ = new Echo(chardev);
        chardev.Start();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(IPAddress.Loopback, port);
        Assert.Equal("listening", await ExchangeAsync(client, "listening"));
    }

    [Fact]
    public void Nobody_at_the_other_end_is_a_clear_error() =>
        Assert.Contains("127.0.0.1", Assert.Throws<LinuxException>(() => new SocketChardev("c", new SocketAddress(null, "127.0.0.1", FreePort()), listens: false, waits: false)).Message, StringComparison.Ordinal);

    [Fact]
    public async Task A_pseudo_terminal_passes_bytes_as_they_are()
    {
        var terminal = new PseudoTerminal();
        var fd = (int)terminal.Master.DangerousGetHandle();
        using var chardev = new DescriptorChardev("c", "pty", fd, fd, terminal.Master, terminal.Slave);
        _ = new Echo(chardev);
        chardev.Start();
        using var person = new FileStream(terminal.Path, FileMode.Open, FileAccess.ReadWrite);
        // A terminal that is not raw would end the line's wait here, and translate.
        await person.WriteAsync("a\r\u0003b"u8.ToArray());
        await person.FlushAsync();
        var bytes = new byte[4];
        await person.ReadExactlyAsync(bytes);
        Assert.Equal("a\r\u0003b"u8, bytes);
    }

    [Fact]
    public void A_shared_console_goes_from_user_to_user_by_ctrl_a_c()
    {
        var wire = new Pipe();
        var quits = 0;
        var mux = new MuxChardev(wire, () => quits++);
        var (console, monitor) = (new Keep(), new Keep());
        mux.Attach(console);
        mux.Attach(monitor);
        wire.User!.OnReceived("ab\u0001ccd\u0001\u0001\u0001"u8);
        wire.User.OnReceived("ce\u0001x"u8);
        Assert.Equal(("abe", "cd\u0001", 1), (console.Text, monitor.Text, quits));
    }

    private static ushort FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return (ushort)((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static async Task<string> ExchangeAsync(Socket socket, string text)
    {
        await socket.SendAsync(Encoding.UTF8.GetBytes(text));
        var bytes = new byte[text.Length];
        for (var got = 0; got < bytes.Length;)
        {
            var count = await socket.ReceiveAsync(bytes.AsMemory(got)).AsTask().WaitAsync(Patience);
            if (count == 0)
                break;
            got += count;
        }
        return Encoding.UTF8.GetString(bytes);
    }

    private sealed class Echo : IChardevUser
    {
        private readonly Chardev _chardev;

        public Echo(Chardev chardev)
        {
            _chardev = chardev;
            chardev.Attach(this);
        }

        public TaskCompletionSource Disconnected { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int Connections { get; private set; }

        public void OnConnected() => Connections++;

        public void OnReceived(ReadOnlySpan<byte> bytes) => _chardev.Write(bytes);

        public void OnDisconnected() => Disconnected.TrySetResult();
    }

    private sealed class Keep : IChardevUser
    {
        public string Text { get; private set; } = "";

        public void OnConnected() { }

        public void OnReceived(ReadOnlySpan<byte> bytes) => Text += Encoding.Latin1.GetString(bytes);

        public void OnDisconnected() { }
    }

    private sealed class Pipe() : Chardev("pipe", "memory")
    {
        public override void Write(ReadOnlySpan<byte> bytes) { }

        public override void Start() { }
    }
}
