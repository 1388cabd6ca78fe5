using Gauntlet.Vmm.Tests.Storage;

namespace Gauntlet.Vmm.Tests.Guests;

/// <summary>Disks as a guest's driver uses them, in gvmm's own process and in QEMU's.</summary>
public sealed class DiskTests : IDisposable
{
    private readonly ImageFolder _images = new();

    public void Dispose() => _images.Dispose();

    [QemuTheory]
    [InlineData("raw")]
    [InlineData("qcow2")]
    public async Task What_a_guest_writes_under_one_vmm_it_reads_under_the_other(string format)
    {
        _images.QemuImg("create", "-f", format, _images["disk"], "512K");
        await GuestProgram.PassAsync(GuestProgram.Qemu, "virtio_blk", "write 3", Disk(format));
        await GuestProgram.PassAsync(GuestProgram.Gvmm, "virtio_blk", "verify 3", Disk(format));
        await GuestProgram.PassAsync(GuestProgram.Gvmm, "virtio_blk", "write 5", Disk(format));
        await GuestProgram.PassAsync(GuestProgram.Qemu, "virtio_blk", "verify 5", Disk(format));
    }

    [QemuImgFact]
    public async Task The_checks_of_the_guest_pass_on_other_kinds_of_disks()
    {
        _images.QemuImg("create", "-f", "raw", _images["disk"], "512K");
        await GuestProgram.PassAsync(GuestProgram.Gvmm, "virtio_blk", "", Disk("raw,cache=writethrough,discard=ignore"));
        await GuestProgram.PassAsync(GuestProgram.Gvmm, "virtio_blk", "", "-drive", $"file={_images["disk"]},format=raw,if=none,id=d0,snapshot=on", "-device", "virtio-blk-pci,drive=d0,event_idx=off");
    }

    [QemuImgFact]
    public async Task A_vmm_that_is_killed_under_load_leaves_a_consistent_image()
    {
        // Small clusters and a large disk: nearly every write allocates, and tables grow all the time.
        _images.QemuImg("create", "-f", "qcow2", "-o", "cluster_size=4096", _images["disk"], "64M");
        for (var round = 1; round <= 3; round++)
        {
            using (var guest = GuestProgram.Start(GuestProgram.Gvmm, "virtio_blk", $"load {round}", Disk("qcow2")))
            {
                await guest.AwaitLineAsync("flushed", round);
                await guest.KillAsync();
            }
            // 3: clusters that nobody refers to, which a writer that is killed may leave; never errors.
            var (status, report) = _images.TryQemuImg("check", "-f", "qcow2", _images["disk"]);
            Assert.True(status is 0 or 3, $"round {round}: qemu-img check: status {status}\n{report}");
            Assert.DoesNotContain("ERROR", report, StringComparison.Ordinal);
        }
    }

    private string[] Disk(string format) => ["-drive", $"file={_images["disk"]},if=none,id=d0,format={format}", "-device", "virtio-blk-pci,drive=d0"];
}
