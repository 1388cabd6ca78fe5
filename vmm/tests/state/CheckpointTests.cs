using FsCheck.Fluent;
using Gauntlet.Vmm.Machines;
using Gauntlet.Vmm.Tests.Accel.Kvm;

namespace Gauntlet.Vmm.Tests.State;

public sealed class CheckpointTests
{
    private const int Turns = 40;

    [Fact]
    public void A_machine_goes_back_to_its_checkpoint_whatever_it_did_under_the_translator() => GoesBack("tcg", null);

    [Fact]
    public void And_under_the_interpreter() => GoesBack("tcg", new Dictionary<string, string> { ["backend"] = "interp" });

    [KvmFact]
    public void And_under_kvm() => GoesBack("kvm", null);

    [SplitIrqChipFact]
    public void And_under_kvm_with_local_APICs_alone_in_the_kernel() => GoesBack("kvm", new Dictionary<string, string> { ["kernel-irqchip"] = "split" });

    [Fact]
    public void After_going_back_memory_devices_and_vcpu_are_the_same_byte_for_byte()
    {
        using var guest = new TraceGuest("tcg");
        guest.RunTo(60);
        var before = guest.Save();
        using var checkpoint = new Checkpoint(guest.Machine);
        HostileSnapshot.AssertSame(before, guest.Save());
        var sample = from stop in Gen.Choose(61, 300)
                     from address in Gen.Choose(0x40000, 0x1fffff)
                     from bytes in Gen.NonEmptyListOf(Gen.Choose(0, 255))
                     select (stop, address, bytes);
        Prop.ForAll(sample.ToArbitrary(), run =>
        {
            guest.RunTo(run.stop);
            // As a device's DMA.
            guest.Machine.Memory.TryWrite((ulong)run.address, [.. run.bytes.Select(value => (byte)value)]);
            checkpoint.Restore();
            HostileSnapshot.AssertSame(before, guest.Save());
            guest.Forget();
        }).Holds(Turns);
    }

    [Fact]
    public void Only_pages_that_were_written_are_copied()
    {
        using var guest = new TraceGuest("tcg");
        guest.RunTo(60);
        using var checkpoint = new Checkpoint(guest.Machine);
        Assert.Equal(0, checkpoint.Restore());
        Assert.True(guest.Machine.Memory.TryWrite(0x100ff0, new byte[0x1020]));
        Assert.Equal(3, checkpoint.Restore());
        guest.Forget();
        guest.RunTo(30);
        // The walk, the counters, the stack, and the tables whose accessed bits the vCPU sets.
        Assert.InRange(checkpoint.Restore(), 3, 14);
    }

    [Fact]
    public void What_a_guest_asked_for_since_is_forgotten()
    {
        using var guest = new TraceGuest("tcg");
        using var checkpoint = new Checkpoint(guest.Machine);
        guest.Machine.RequestReset();
        guest.Machine.RequestExit(3);
        checkpoint.Restore();
        Assert.False(guest.Machine.HasWishes);
    }

    private static void GoesBack(string accelerator, Dictionary<string, string>? properties)
    {
        using var guest = new TraceGuest(accelerator, properties);
        guest.RunTo(50);
        using var checkpoint = new Checkpoint(guest.Machine);
        guest.Forget();
        guest.RunToEnd();
        var reference = guest.Trace.ToArray();
        Prop.ForAll(Gen.Choose(1, reference.Length).ToArbitrary(), point =>
        {
            checkpoint.Restore();
            guest.Forget();
            guest.RunTo(point);
            checkpoint.Restore();
            guest.Forget();
            guest.RunToEnd();
            Assert.Equal(reference, guest.Trace);
        }).Holds(Turns);
    }
}
