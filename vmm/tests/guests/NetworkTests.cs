using Gauntlet.Linux;
using Microsoft.Win32.SafeHandles;

namespace Gauntlet.Vmm.Tests.Guests;

/// <summary>A network device as a guest's driver uses it, with the test at the other end.</summary>
public sealed class NetworkTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("gauntlet-net-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Every_frame_that_is_sent_back_reaches_the_guest()
    {
        var path = Path.Combine(_folder, "net");
        using var listener = UnixSocket.Listen(path);
        var echo = new Thread(() => Echo(listener)) { IsBackground = true };
        echo.Start();
        await GuestProgram.PassAsync(GuestProgram.Gvmm, "virtio_net", "echo",
            "-netdev", $"stream,id=n0,addr.type=unix,addr.path={path}", "-device", "virtio-net-pci,netdev=n0", "-object", $"filter-dump,id=f0,netdev=n0,file={_folder}/dump");
        Assert.True(echo.Join(TimeSpan.FromSeconds(30)));
        // 200 frames of 64 bytes each way, behind a file header and one for each frame.
        Assert.Equal(24 + 400 * (16 + 64), new FileInfo(Path.Combine(_folder, "dump")).Length);
    }

    private static void Echo(SafeFileHandle listener)
    {
        using var peer = UnixSocket.Accept(listener)!;
        var buffer = new byte[4096];
        var fd = (int)peer.DangerousGetHandle();
        for (int count; (count = Descriptors.Read(fd, buffer)) > 0;)
            Descriptors.WriteAll(fd, buffer.AsSpan(0, count));
    }
}
