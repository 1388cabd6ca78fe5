using Gauntlet.Vmm.Devices.Virtio;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>VIRTIO 1.2, 5.5.</summary>
public sealed class VirtioBalloonTests
{
    private const ulong Numbers = 0x20000;

    [Fact]
    public void The_driver_hears_what_the_host_wants_and_tells_what_it_gave()
    {
        VirtioBalloon? balloon = null;
        var rig = new VirtioPciRig((memory, clock) => balloon = new VirtioBalloon(memory, clock));
        rig.Start();
        balloon!.SetTarget(300);
        Assert.Equal(300UL, rig.Read(0x2000, 4));
        Assert.Equal(3UL, rig.Read(0x1000, 1));
        rig.Write(0x2004, 4, 256);
        rig.Write(0x2000, 4, 7);
        Assert.Equal(256u, balloon.ActualPages);
        Assert.Equal(300UL, rig.Read(0x2000, 4));
        rig.Write(0x14, 1, 0);
        Assert.Equal(0u, balloon.ActualPages);
        Assert.Equal(300UL, rig.Read(0x2000, 4));
    }

    [Fact]
    public void Any_page_numbers_are_taken_and_given_back()
    {
        var rig = new VirtioPciRig((memory, clock) => new VirtioBalloon(memory, clock));
        var driver = rig.Start();
        new Random(4).NextBytes(rig.Memory.Bytes.AsSpan((int)Numbers, 0x10000));
        driver.Add([new(Numbers, 0x10000, false), new(0xffff_ffff_0000, 16, false)]);
        driver.Add([new(Numbers, 3, false)]);
        rig.Notify();
        Assert.NotNull(driver.Take());
        Assert.NotNull(driver.Take());
    }

    [Fact]
    public void Pages_that_were_given_are_zeros_and_their_neighbours_are_not()
    {
        using var memory = new GuestMemory([new GuestRam("ram", 0, 0x10000), new GuestRam("rom", 0x10000, 0x1000, readOnly: true)]);
        var reclaimable = new ReclaimableMemory(memory);
        for (ulong at = 0; at < 0x11000; at += 8)
            memory.TryLoad(at, [1, 2, 3, 4, 5, 6, 7, 8]);
        Assert.True(reclaimable.TryReclaim(0x3000, 0x2000));
        Span<byte> bytes = new byte[0x10000];
        Assert.True(memory.TryRead(0, bytes));
        Assert.True(bytes[0x3000..0x5000].IndexOfAnyExcept((byte)0) < 0);
        Assert.Equal(8, bytes[0x2fff]);
        Assert.Equal(1, bytes[0x5000]);
        var dirty = new List<ulong>();
        memory.CollectDirtyPages(dirty);
        Assert.Contains(0x3000UL, dirty);
        Assert.False(reclaimable.TryReclaim(0xf000, 0x2000));
        Assert.False(reclaimable.TryReclaim(0x10000, 0x1000));
        Assert.False(reclaimable.TryReclaim(0x100000, 0x1000));
        Assert.True(memory.TryRead(0xf000, bytes[..8]));
        Assert.Equal(1, bytes[0]);
    }
}
