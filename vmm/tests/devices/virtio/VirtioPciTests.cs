using Gauntlet.Vmm.Devices.Virtio;

namespace Gauntlet.Vmm.Tests.Devices.Virtio;

/// <summary>VIRTIO 1.2, 2.1 to 2.4, 3.1 and 4.1, with the entropy device as the simplest there is.</summary>
public sealed class VirtioPciTests
{
    private const ulong Data = 0x20000;

    private readonly VirtioPciRig _rig = new((memory, clock) => new VirtioRng(memory, clock, new Ones()));

    public static TheoryData<bool> Forms => [false, true];

    [Fact]
    public void It_shows_its_type_and_has_a_capability_for_each_part()
    {
        Assert.Equal(0x10441af4u, _rig.Config(0));
        var types = Enumerable.Range(0, 5).Select(n => _rig.Config(_rig.FindCapability(9, n)) >> 24).Order().ToArray();
        Assert.Equal([1u, 2, 3, 4, 5], types);
        Assert.NotEqual(0u, _rig.FindCapability(0x11));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_request_is_filled_and_the_driver_told_by_the_pin(bool packed)
    {
        var driver = _rig.Start(packed);
        driver.Add([new(Data, 10, true)]);
        _rig.Notify();
        Assert.Equal(10u, driver.Take()!.Value.Written);
        Assert.Equal(1, _rig.Memory.Bytes[Data + 9]);
        Assert.Equal(0, _rig.Memory.Bytes[Data + 10]);
        Assert.True(_rig.Intx.Level);
        Assert.Equal(1UL, _rig.Read(0x1000, 1));
        Assert.False(_rig.Intx.Level);
        Assert.Equal(0UL, _rig.Read(0x1000, 1));
    }

    [Fact]
    public void With_msix_the_queues_vector_is_sent_and_the_pin_is_silent()
    {
        var driver = _rig.Start(msix: true);
        driver.Add([new(Data, 1, true)]);
        _rig.Notify();
        Assert.Equal([(0xfee00000UL, 0x41u)], _rig.Msi.Messages);
        Assert.Equal(0, _rig.Intx.Edges);
    }

    [Fact]
    public void A_masked_vector_waits_as_a_pending_bit()
    {
        var driver = _rig.Start(msix: true);
        _rig.WriteMsix(1, 12, 1);
        driver.Add([new(Data, 1, true)]);
        _rig.Notify();
        Assert.Empty(_rig.Msi.Messages);
        Assert.Equal(2UL, _rig.ReadMsix(0x800, 8));
        _rig.WriteMsix(1, 12, 0);
        Assert.Single(_rig.Msi.Messages);
        Assert.Equal(0UL, _rig.ReadMsix(0x800, 8));
    }

    [Fact]
    public void The_function_mask_holds_all_vectors_back()
    {
        var driver = _rig.Start(msix: true);
        _rig.WriteConfig(_rig.FindCapability(0x11), 0xc0000000);
        driver.Add([new(Data, 1, true)]);
        _rig.Notify();
        Assert.Empty(_rig.Msi.Messages);
        _rig.WriteConfig(_rig.FindCapability(0x11), 0x80000000);
        Assert.Single(_rig.Msi.Messages);
    }

    [Fact]
    public void A_vector_that_the_table_lacks_reads_back_as_none()
    {
        _rig.Write(0x10, 2, 7);
        Assert.Equal(0xffffUL, _rig.Read(0x10, 2));
        _rig.Write(0x10, 2, 1);
        Assert.Equal(1UL, _rig.Read(0x10, 2));
    }

    [Theory]
    [InlineData(VirtioFeature.Version1, true)]
    [InlineData(0UL, false)]
    [InlineData(VirtioFeature.Version1 | 1UL << 50, false)]
    [InlineData(VirtioFeature.Version1 | 1, false)]
    public void Features_are_accepted_when_they_are_offered_and_modern(ulong features, bool accepted)
    {
        _rig.Negotiate(features);
        Assert.Equal(accepted, (_rig.Status & VirtioPciRig.FeaturesOk) != 0);
    }

    [Fact]
    public void Before_driver_ok_and_without_bus_mastership_a_notification_does_nothing()
    {
        var driver = _rig.Start();
        _rig.WriteConfig(4, 2);
        driver.Add([new(Data, 1, true)]);
        _rig.Notify();
        Assert.Null(driver.Take());
        _rig.WriteConfig(4, 6);
        _rig.Notify();
        Assert.NotNull(driver.Take());
        _rig.Negotiate(VirtioFeature.Version1);
        _rig.Notify();
        Assert.Equal(0, _rig.Status & VirtioPciRig.NeedsReset);
    }

    [Fact]
    public void A_broken_ring_asks_for_a_reset_and_a_reset_heals_it()
    {
        var driver = _rig.Start();
        driver.Add([new(Data, 1, true)]);
        BitConverter.TryWriteBytes(_rig.Memory.Bytes.AsSpan((int)RingDriver.Driver + 2), (ushort)500);
        _rig.Notify();
        Assert.NotEqual(0, _rig.Status & VirtioPciRig.NeedsReset);
        Assert.Equal(3UL, _rig.Read(0x1000, 1));

        Array.Clear(_rig.Memory.Bytes);
        driver = _rig.Start();
        driver.Add([new(Data, 1, true)]);
        _rig.Notify();
        Assert.NotNull(driver.Take());
    }

    [Fact]
    public void Status_bits_stay_until_a_reset_which_forgets_queues_and_vectors()
    {
        _rig.Start(msix: true);
        _rig.Write(0x14, 1, VirtioPciRig.Acknowledge);
        Assert.Equal(VirtioPciRig.Acknowledge | VirtioPciRig.DriverStatus | VirtioPciRig.FeaturesOk | VirtioPciRig.DriverOk, _rig.Status);
        _rig.Write(0x14, 1, 0);
        Assert.Equal(0, _rig.Status);
        Assert.Equal(0UL, _rig.Read(0x1c, 2));
        Assert.Equal(0UL, _rig.Read(0x20, 8));
        Assert.Equal(0xffffUL, _rig.Read(0x1a, 2));
    }

    [Fact]
    public void One_queue_can_be_reset_alone()
    {
        _rig.Start(features: VirtioFeature.RingReset);
        _rig.Write(0x3a, 2, 1);
        Assert.Equal(0UL, _rig.Read(0x3a, 2));
        Assert.Equal(0UL, _rig.Read(0x1c, 2));
        Assert.NotEqual(0, _rig.Status & VirtioPciRig.DriverOk);
    }

    [Fact]
    public void A_queue_that_runs_keeps_its_addresses_and_size()
    {
        _rig.Start();
        _rig.Write(0x20, 8, 0x9000);
        _rig.Write(0x18, 2, 4);
        Assert.Equal(RingDriver.Descriptors, _rig.Read(0x20, 8));
        Assert.Equal(16UL, _rig.Read(0x18, 2));
    }

    [Fact]
    public void The_window_in_configuration_space_reaches_the_registers()
    {
        var window = Enumerable.Range(0, 5).Select(n => _rig.FindCapability(9, n)).Single(at => _rig.Config(at) >> 24 == 5);
        _rig.WriteConfig(window + 4, 0);
        _rig.WriteConfig(window + 8, 0x14);
        _rig.WriteConfig(window + 12, 1);
        _rig.WriteConfig(window + 16, VirtioPciRig.Acknowledge);
        Assert.Equal(VirtioPciRig.Acknowledge, _rig.Status);
        Assert.Equal(VirtioPciRig.Acknowledge, _rig.Config(window + 16));
        // Beyond the region there is nothing, and no harm.
        _rig.WriteConfig(window + 8, 0xfffffffc);
        _rig.WriteConfig(window + 12, 4);
        _rig.WriteConfig(window + 16, uint.MaxValue);
        _rig.Config(window + 16);
    }

    [Fact]
    public void A_ring_that_never_runs_dry_lets_the_guest_run_between_two_rounds()
    {
        // Every slot of the ring is the same chain, so that the driver is always ahead.
        var driver = (SplitDriver)_rig.Start(size: 256);
        driver.Add([new(Data, 1, true)]);
        BitConverter.TryWriteBytes(_rig.Memory.Bytes.AsSpan((int)RingDriver.Driver + 2), (ushort)256);
        _rig.Notify();
        var used = BitConverter.ToUInt16(_rig.Memory.Bytes, (int)RingDriver.Device + 2);
        Assert.Equal(256, used);
        BitConverter.TryWriteBytes(_rig.Memory.Bytes.AsSpan((int)RingDriver.Driver + 2), (ushort)300);
        _rig.Clock.Advance(1);
        Assert.Equal(300, BitConverter.ToUInt16(_rig.Memory.Bytes, (int)RingDriver.Device + 2));
    }

    [Fact]
    public void A_request_of_gigabytes_is_filled_in_part()
    {
        var driver = _rig.Start();
        driver.Add([new(Data, 0x80000000, true)]);
        _rig.Notify();
        Assert.InRange(driver.Take()!.Value.Written, 0u, (uint)VirtioRng.MaxRequestBytes);
    }

    private sealed class Ones : IEntropySource
    {
        public void Fill(Span<byte> destination) => destination.Fill(1);
    }
}
