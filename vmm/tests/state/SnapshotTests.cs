using FsCheck.Fluent;
using Gauntlet.Vmm.State;
using Gauntlet.Vmm.Tests.Accel.Kvm;

namespace Gauntlet.Vmm.Tests.State;

public sealed class SnapshotTests
{
    private const int Points = 12;

    private static readonly Dictionary<string, string> s_noIrqChip = new() { ["kernel-irqchip"] = "off" };
    private static readonly Dictionary<string, string> s_splitIrqChip = new() { ["kernel-irqchip"] = "split" };
    private static readonly Dictionary<string, string> s_interpreted = new() { ["backend"] = "interp" };

    [Fact]
    public void A_guest_restored_at_any_exit_goes_on_as_without_under_the_translator() => GoesOnAsWithout("tcg", null);

    [Fact]
    public void And_under_the_interpreter() => GoesOnAsWithout("tcg", s_interpreted);

    [KvmFact]
    public void And_under_kvm() => GoesOnAsWithout("kvm", null);

    [KvmFact]
    public void And_under_kvm_with_the_machines_own_interrupt_controllers() => GoesOnAsWithout("kvm", s_noIrqChip);

    [SplitIrqChipFact]
    public void And_under_kvm_with_a_PIC_of_the_machines_and_local_APICs_in_the_kernel() => GoesOnAsWithout("kvm", s_splitIrqChip);

    [SplitIrqChipFact]
    public void A_snapshot_of_a_split_irqchip_is_for_one()
    {
        using var original = new TraceGuest("kvm", s_splitIrqChip);
        using var other = new TraceGuest("kvm");
        Assert.Contains("kernel-irqchip is 'split' there and 'on' here", Assert.Throws<StateFormatException>(() => other.Load(original.Save())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_restored_guest_ends_with_is_the_same_byte_for_byte()
    {
        using var original = new TraceGuest("tcg");
        original.RunTo(100);
        var snapshot = original.Save();
        using var restored = new TraceGuest("tcg");
        restored.Load(snapshot);
        HostileSnapshot.AssertSame(snapshot, restored.Save());
        original.RunToEnd();
        restored.RunToEnd();
        HostileSnapshot.AssertSame(original.Save(), restored.Save());
    }

    [Fact]
    public void A_machine_that_ran_on_goes_back_to_its_snapshot()
    {
        using var guest = new TraceGuest("tcg");
        guest.RunTo(50);
        var snapshot = guest.Save();
        guest.RunToEnd();
        var trace = guest.Trace.ToArray();
        guest.Load(snapshot);
        guest.Forget();
        guest.RunToEnd();
        Assert.Equal(trace[50..], guest.Trace);
    }

    [Fact]
    public void A_snapshot_of_another_machine_is_refused_with_what_differs()
    {
        using var original = new TraceGuest("tcg");
        var snapshot = original.Save();
        foreach (var (other, difference) in (IEnumerable<(Func<TraceGuest>, string)>)
        [
            (() => new TraceGuest("tcg", cpuModel: "max"), "CPU model is 'qemu64' there and 'max' here"),
            (() => new TraceGuest("tcg", ramBytes: 3 << 20), "memory is '"),
            (() => new TraceGuest("tcg", withTestDevice: false), "number of devices"),
            (() => new TraceGuest("qtest"), "accelerator is 'tcg' there and 'qtest' here"),
        ])
        {
            using var guest = other();
            var before = guest.Save();
            var refused = Assert.Throws<StateFormatException>(() => guest.Load(snapshot));
            Assert.Contains(difference, refused.Message, StringComparison.Ordinal);
            Assert.Equal(before, guest.Save());
        }
    }

    [Fact]
    public void A_damaged_snapshot_is_refused_before_anything_changes()
    {
        using var original = new TraceGuest("tcg");
        original.RunTo(77);
        var snapshot = original.Save();
        using var guest = new TraceGuest("tcg");
        var before = guest.Save();
        var damage = from at in Gen.Choose(0, snapshot.Length - 1)
                     from bit in Gen.Choose(0, 7)
                     from isCut in Gen.Elements(true, false)
                     select (at, bit, isCut);
        Prop.ForAll(damage.ToArbitrary(), d =>
        {
            var damaged = d.isCut ? snapshot[..d.at] : (byte[])snapshot.Clone();
            if (!d.isCut)
                damaged[d.at] ^= (byte)(1 << d.bit);
            Assert.Throws<StateFormatException>(() => guest.Load(damaged));
        }).Holds(300);
        Assert.Equal(before, guest.Save());
        Assert.Throws<StateFormatException>(() => guest.Load([.. snapshot, 0]));
        Assert.Throws<StateFormatException>(() => guest.Load([]));
    }

    [Fact]
    public void A_hostile_snapshot_with_good_checksums_is_refused_or_loaded_and_the_machine_survives_it()
    {
        using var original = new TraceGuest("tcg");
        original.RunTo(77);
        var sections = HostileSnapshot.Split(original.Save());
        using var guest = new TraceGuest("tcg");
        var damage = from section in Gen.Choose(0, sections.Count - 1)
                     from flips in Gen.NonEmptyListOf(Gen.Choose(0, 1 << 16))
                     from cut in Gen.Choose(0, 40)
                     from order in Gen.Choose(0, 20)
                     select (section, flips, cut, order);
        Prop.ForAll(damage.ToArbitrary(), d =>
        {
            var hostile = HostileSnapshot.Damage(sections, d.section, d.flips, d.cut, d.order);
            try
            {
                guest.Load(hostile);
            }
            catch (StateFormatException)
            {
                guest.Machine.ResetStandingStill();
            }
            // A guest in any state may loop, halt or end in a triple fault, but not in an exception here.
            using var limit = new Timer(_ => guest.Machine.Vcpus[0].Kick(), null, 1, Timeout.Infinite);
            _ = guest.Machine.Vcpus[0].Run();
            guest.Save();
        }).Holds(400);
    }

    private static void GoesOnAsWithout(string accelerator, Dictionary<string, string>? properties)
    {
        using var reference = new TraceGuest(accelerator, properties);
        reference.RunToEnd();
        Assert.InRange(reference.Trace.Count, TraceGuest.Turns * 4, TraceGuest.Turns * 7);
        using var restored = new TraceGuest(accelerator, properties);
        Prop.ForAll(Gen.Choose(1, reference.Trace.Count - 1).ToArbitrary(), point =>
        {
            using var original = new TraceGuest(accelerator, properties);
            original.RunTo(point);
            var snapshot = original.Save();
            using var fresh = new TraceGuest(accelerator, properties);
            fresh.Load(snapshot);
            fresh.RunToEnd();
            Assert.Equal(reference.Trace, original.Trace.Concat(fresh.Trace));
        }).Holds(Points);
    }
}
