using System.Net.Sockets;
using System.Text;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.Tests.Devices;
using Gauntlet.Vmm.Tests.Qmp;

namespace Gauntlet.Vmm.Tests.MachineTests;

/// <summary>A PC's four serial ports.</summary>
public sealed class SerialPortTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gvmm-serial-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_line_of_two_devices_is_high_while_either_wants_it()
    {
        var line = new RecordingLine();
        var shared = new SharedIrqLine(line);
        IIrqLine[] ends = [shared.NewEnd(), shared.NewEnd()];
        ends[0].Set(true);
        ends[1].Set(true);
        ends[0].Set(true);
        ends[0].Set(false);
        Assert.True(line.Level);
        ends[1].Set(false);
        Assert.False(line.Level);
        ends[0].Set(false);
        ends[1].Set(true);
        Assert.True(line.Level);
    }

    [Fact]
    public async Task Each_of_four_ports_has_its_own_place_and_its_own_output()
    {
        string[] ports = ["0x3f8", "0x2f8", "0x3e8", "0x2e8"];
        string[] files = [.. ports.Select(port => Path.Combine(_folder, port))];
        await using (await QmpClient.StartAsync([.. files.SelectMany(static file => (string[])["-serial", $"file:{file}"]), "-qtest", $"unix:{Path.Combine(_folder, "qtest")},server=on,wait=off", "-qtest-log", "none"]))
        {
            using var guest = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await guest.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(_folder, "qtest")));
            for (var i = 0; i < ports.Length; i++)
                await guest.SendAsync(Encoding.ASCII.GetBytes($"outb {ports[i]} 0x{0x41 + i:x}\n"));
            await guest.SendAsync("inb 0x3fd\n"u8.ToArray());
            using var answers = new StreamReader(new NetworkStream(guest));
            for (var i = 0; i < ports.Length; i++)
                Assert.Equal("OK", await answers.ReadLineAsync());
            Assert.Equal("OK 0x0060", await answers.ReadLineAsync());
        }
        Assert.Equal(["A", "B", "C", "D"], files.Select(File.ReadAllText));
    }

    [Fact]
    public async Task A_fifth_port_is_refused()
    {
        using var gvmm = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(GuestProgram.Gvmm, ["-accel", "qtest", .. Enumerable.Repeat("-serial null", 5).SelectMany(static words => words.Split(' '))])
        {
            RedirectStandardError = true,
        })!;
        Assert.Contains("5 ports, where a machine has 4", await gvmm.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
        Assert.Equal(1, await GuestProgram.StatusAsync(gvmm));
    }
}
