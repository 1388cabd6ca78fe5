using System.Net.Sockets;

namespace Gauntlet.Vmm.Tests.Qmp;

/// <summary>A disk whose host fails, as a management tool sees it; the guest's accesses are made by qtest.</summary>
public sealed class BlockErrorTests : IDisposable
{
    private const string Flush = "outb 0x1f6 0x40\noutb 0x1f7 0xe7\n";

    private readonly string _folder = Directory.CreateTempSubdirectory("gvmm-errors-").FullName;

    public BlockErrorTests()
    {
        File.WriteAllBytes(Image, new byte[1 << 16]);
        File.WriteAllText(Rules, "[inject-error]\nevent = \"flush_to_disk\"\nerrno = \"5\"\nonce = \"on\"\n");
    }

    private string Image => Path.Combine(_folder, "disk");

    private string Rules => Path.Combine(_folder, "rules");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_machine_stops_at_an_error_and_goes_on_with_the_request()
    {
        await using var machine = await StartAsync($"file=blkdebug:{Rules}:{Image},if=ide,format=raw,werror=stop");
        using var guest = await ConnectAsync();
        await AskAsync(guest, Flush);
        var error = await machine.EventAsync("BLOCK_IO_ERROR");
        Assert.Equal(("ide0-hd0", "write", "stop"), (error.GetProperty("device").GetString(), error.GetProperty("operation").GetString(), error.GetProperty("action").GetString()));
        await machine.EventAsync("STOP");
        Assert.Equal("io-error", (await machine.ReturnAsync("""{"execute":"query-status"}""")).GetProperty("status").GetString());
        Assert.Equal("failed", (await machine.ReturnAsync("""{"execute":"query-block"}"""))[0].GetProperty("io-status").GetString());
        Assert.Equal(["OK 0x00c0"], await AskAsync(guest, "inb 0x1f7\n"));

        await machine.ReturnAsync("""{"execute":"cont"}""");
        Assert.Equal("ok", (await machine.ReturnAsync("""{"execute":"query-block"}"""))[0].GetProperty("io-status").GetString());
        Assert.Equal(["OK 0x0050"], await AskAsync(guest, "inb 0x1f7\n"));
    }

    [Fact]
    public async Task A_guest_that_is_told_goes_on()
    {
        await using var machine = await StartAsync($"file=blkdebug:{Rules}:{Image},if=ide,format=raw");
        using var guest = await ConnectAsync();
        await AskAsync(guest, Flush);
        Assert.Equal("report", (await machine.EventAsync("BLOCK_IO_ERROR")).GetProperty("action").GetString());
        Assert.Equal("running", (await machine.ReturnAsync("""{"execute":"query-status"}""")).GetProperty("status").GetString());
        Assert.Equal(["OK 0x0051"], await AskAsync(guest, "inb 0x1f7\n"));
    }

    [Fact]
    public async Task A_request_waits_at_a_breakpoint_of_the_monitor()
    {
        await using var machine = await StartAsync($"file=blkdebug::{Image},if=ide,format=raw");
        using var guest = await ConnectAsync();
        Assert.Equal("", await MonitorAsync(machine, "qemu-io ide0-hd0 \\\"break flush_to_disk A\\\""));
        await AskAsync(guest, Flush);
        Assert.Equal(["OK 0x00c0"], await AskAsync(guest, "inb 0x1f7\n"));
        Assert.Contains("no breakpoint 'B'", await MonitorAsync(machine, "qemu-io ide0-hd0 \\\"resume B\\\""), StringComparison.Ordinal);
        Assert.Equal("", await MonitorAsync(machine, "qemu-io ide0-hd0 \\\"resume A\\\""));
        Assert.Equal(["OK 0x0050"], await AskAsync(guest, "inb 0x1f7\n"));
    }

    [Theory]
    [InlineData("qemu-io nobody \\\"break flush_to_disk A\\\"", "not found")]
    [InlineData("qemu-io ide0-hd0 \\\"break flush_to_disk\\\"", "break EVENT TAG")]
    [InlineData("qemu-io ide0-hd0 \\\"aio_read 0 512\\\"", "break EVENT TAG")]
    public async Task What_the_monitor_cannot_do_with_a_disk_is_told(string command, string reason)
    {
        await using var machine = await StartAsync($"file=blkdebug::{Image},if=ide,format=raw");
        Assert.Contains(reason, await MonitorAsync(machine, command), StringComparison.Ordinal);
    }

    private Task<QmpClient> StartAsync(string drive) =>
        QmpClient.StartAsync("-drive", drive, "-qtest", $"unix:{Path.Combine(_folder, "qtest")},server=on,wait=off", "-qtest-log", "none");

    private static async Task<string> MonitorAsync(QmpClient machine, string command) =>
        (await machine.ReturnAsync($$$"""{"execute":"human-monitor-command","arguments":{"command-line":"{{{command}}}"}}""")).GetString()!;

    private async Task<NetworkStream> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(_folder, "qtest")));
        return new NetworkStream(socket, ownsSocket: true);
    }

    // As many answers as there are lines.
    private static async Task<string[]> AskAsync(NetworkStream guest, string lines)
    {
        await guest.WriteAsync(System.Text.Encoding.ASCII.GetBytes(lines));
        var reader = new StreamReader(guest, leaveOpen: true);
        var answers = new string[lines.Count(static c => c == '\n')];
        for (var i = 0; i < answers.Length; i++)
            answers[i] = (await reader.ReadLineAsync())!;
        return answers;
    }
}
