using System.Reflection;
using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Vmm.Bus;
using Gauntlet.Vmm.Devices.Interrupt;
using Gauntlet.Vmm.State;

namespace Gauntlet.Vmm.Tests.Devices;

/// <summary>What holds for every device, whatever a guest does to it.</summary>
public sealed class EveryDeviceTests
{
    private const int StepsPerRun = 300, Runs = 40;

    public static TheoryData<string> Names => [.. DeviceCatalogue.All.Keys];

    public static TheoryData<string> ClosedNames => [.. DeviceCatalogue.All.Keys.Where(name => name != DeviceCatalogue.BusySerial)];

    private enum Kind
    {
        Read,
        Write,
        Advance,
        Reset,
        SaveAndLoad,
    }

    private readonly record struct Step(Kind Kind, int Mapping, uint Offset, int Size, ulong Value);

    [Fact]
    public void Every_device_model_there_is_is_driven_in_all_of_its_regions()
    {
        // What stands in front of a device, as the tracer does, is no model.
        var models = typeof(I8259).Assembly.GetTypes().Where(type => type is { IsClass: true, IsAbstract: false, IsNestedPrivate: false } && type.IsAssignableTo(typeof(IDevice)));
        var benches = DeviceCatalogue.All.Values.Select(make => make()).ToList();
        var driven = benches.SelectMany(bench => bench.Mappings.Select(mapping => (Model: mapping.Device.GetType(), Region: mapping.Device.Regions[mapping.Region].Name))).ToHashSet();
        var restored = benches.SelectMany(bench => bench.Devices).Select(device => device.GetType()).ToHashSet();
        Assert.All(models, model =>
        {
            Assert.Contains(model, restored);
            var device = benches.SelectMany(bench => bench.Devices).First(device => device.GetType() == model);
            Assert.All(device.Regions, region => Assert.Contains((model, region.Name), driven));
        });
    }

    [Fact]
    public void Every_device_with_state_is_saved_and_reset()
    {
        var instanceFields = BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public;
        foreach (var device in DeviceCatalogue.All.Values.SelectMany(make => make().Devices).DistinctBy(device => device.GetType()))
        {
            // A field that is written after the device is made is state.
            if (device.GetType().GetFields(instanceFields).All(field => field.IsInitOnly && !field.FieldType.IsArray))
                continue;
            Assert.True(device is ISaveable, $"{device.Name} has state that no snapshot holds");
            Assert.True(device is IResettable, $"{device.Name} has state that no reset puts back");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Nothing_that_a_guest_does_throws(string name) =>
        Drive(name, (_, _) => { });

    [Theory]
    [MemberData(nameof(Names))]
    public void What_was_saved_loads_and_saves_the_same_again(string name) => Drive(name, (bench, _) =>
    {
        foreach (var device in bench.Devices)
        {
            if (device is not ISaveable saveable)
                continue;
            var saved = saveable.SaveToBytes();
            var other = DeviceCatalogue.All[name]();
            other.Clock.Set(bench.Clock.NowNs);
            var twin = (ISaveable)other.Devices[IndexOf(bench, device)];
            twin.LoadFrom(saved);
            Assert.Equal(saved, twin.SaveToBytes());
        }
    });

    [Theory]
    [MemberData(nameof(ClosedNames))]
    public void A_restored_device_answers_as_the_saved_one_would(string name)
    {
        Prop.ForAll(Program(name).ToArbitrary(), steps =>
        {
            var (original, restored) = (DeviceCatalogue.All[name](), DeviceCatalogue.All[name]());
            var half = steps.Length / 2;
            foreach (var step in steps.Take(half))
                Apply(original, step);
            restored.Clock.Set(original.Clock.NowNs);
            if (original.Ram is { } ram)
                ram.GetSpan(0, (int)ram.Length).CopyTo(restored.Ram!.GetSpan(0, (int)ram.Length));
            for (var i = 0; i < original.Devices.Count; i++)
            {
                if (original.Devices[i] is ISaveable saveable)
                    ((ISaveable)restored.Devices[i]).LoadFrom(saveable.SaveToBytes());
            }
            foreach (var step in steps.Skip(half))
            {
                if (Apply(original, step) != Apply(restored, step))
                    return false;
            }
            return true;
        }).Holds(Runs);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Two_resets_leave_the_same_as_one(string name) => Drive(name, (bench, _) =>
    {
        foreach (var device in bench.Devices)
            (device as IResettable)?.Reset();
        var once = SaveAll(bench);
        foreach (var device in bench.Devices)
            (device as IResettable)?.Reset();
        Assert.Equal(once, SaveAll(bench));
    });

    [Theory]
    [MemberData(nameof(Names))]
    public void Hostile_state_is_refused_or_loaded_and_never_breaks_the_device(string name)
    {
        var program = from bytes in ArbMap.Default.GeneratorFor<byte[]>()
                      from cut in Gen.Choose(0, 400)
                      from flips in Gen.ListOf(Gen.Choose(0, 4000))
                      from steps in Program(name)
                      select (bytes, cut, flips, steps);
        Prop.ForAll(program.ToArbitrary(), p =>
        {
            foreach (var useRandom in (bool[])[true, false])
            {
                var bench = DeviceCatalogue.All[name]();
                foreach (var device in bench.Devices)
                {
                    if (device is not ISaveable saveable)
                        continue;
                    var state = saveable.SaveToBytes();
                    foreach (var flip in p.flips)
                        state[flip % state.Length] ^= (byte)(1 << flip % 8);
                    var hostile = useRandom ? p.bytes : p.cut < state.Length && p.cut % 4 == 0 ? state[..p.cut] : state;
                    try
                    {
                        saveable.LoadFrom(hostile);
                    }
                    catch (StateFormatException)
                    {
                        (device as IResettable)?.Reset();
                    }
                }
                foreach (var step in p.steps)
                    Apply(bench, step);
            }
        }).Holds(Runs);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Its_register_map_is_in_order_and_inside_its_regions(string name)
    {
        foreach (var device in DeviceCatalogue.All[name]().Devices)
        {
            Assert.Equal(device.Regions.Count, device.Regions.Select(region => region.Name).Distinct().Count());
            foreach (var region in device.Regions)
            {
                Assert.True(region.Length > 0);
                Assert.Equal(region.Registers.OrderBy(register => register.Offset), region.Registers);
                Assert.All(region.Registers, register => Assert.True(register.Offset + register.Width <= region.Length, register.Name));
                Assert.All(region.Registers, register => Assert.Contains(register.Width, (byte[])[1, 2, 4, 8]));
                Assert.All(region.Registers, register => Assert.NotEqual(RegisterAccess.None, register.Access & RegisterAccess.ReadWrite));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Registers_read_their_declared_values_after_reset(string name)
    {
        var bench = DeviceCatalogue.All[name]();
        foreach (var device in bench.Devices)
            (device as IResettable)?.Reset();
        foreach (var device in bench.Devices)
        {
            for (var region = 0; region < device.Regions.Count; region++)
            {
                foreach (var register in device.Regions[region].Registers)
                {
                    if (register.Reset is not { } expected || (register.Access & RegisterAccess.Read) == 0)
                        continue;
                    var actual = device.Regions[region].Space == AddressSpace.Port
                        ? ((IPortDevice)device).ReadPort(region, register.Offset, register.Width)
                        : ((IMmioDevice)device).ReadMmio(region, register.Offset, register.Width);
                    var mask = ulong.MaxValue >> (64 - register.Width * 8);
                    Assert.True(expected == (actual & mask), $"{device.Name} {register.Name}: 0x{actual & mask:x}, declared 0x{expected:x}");
                }
            }
        }
    }

    private static int IndexOf(Bench bench, IDevice device)
    {
        for (var i = 0; i < bench.Devices.Count; i++)
        {
            if (ReferenceEquals(bench.Devices[i], device))
                return i;
        }
        return -1;
    }

    private static byte[] SaveAll(Bench bench) => [.. bench.Devices.OfType<ISaveable>().SelectMany(device => device.SaveToBytes())];

    private static void Drive(string name, Action<Bench, Step[]> atEnd) =>
        Prop.ForAll(Program(name).ToArbitrary(), steps =>
        {
            var bench = DeviceCatalogue.All[name]();
            foreach (var step in steps)
                Apply(bench, step);
            atEnd(bench, steps);
        }).Holds(Runs);

    private static Gen<Step[]> Program(string name)
    {
        var mappings = DeviceCatalogue.All[name]().Mappings;
        var values = Gen.OneOf(
            Gen.Choose(0, 255).Select(value => (ulong)value),
            Gen.Elements<ulong>(0, 1, 0x80, 0xff, 0xffff, 0x80000000, 0xffffffff, ulong.MaxValue, 0x80001000, 0x80001010, 0x80001014),
            ArbMap.Default.GeneratorFor<ulong>());
        var times = Gen.OneOf(Gen.Choose(0, 2_000).Select(us => us * Rig.Microsecond), Gen.Choose(0, 5_000).Select(ms => ms * Rig.Millisecond),
            Gen.Choose(0, 1_000).Select(hours => hours * 3600 * Rig.Second));
        var kinds = Gen.Frequency((45, Gen.Constant(Kind.Write)), (35, Gen.Constant(Kind.Read)), (15, Gen.Constant(Kind.Advance)),
            (1, Gen.Constant(Kind.Reset)), (3, Gen.Constant(Kind.SaveAndLoad)));
        var step = from kind in kinds
                   from mapping in Gen.Choose(0, mappings.Count - 1)
                   from offset in Gen.Choose(0, (int)mappings[mapping].Length + 2)
                   from aligned in Gen.Choose(0, 3)
                   from size in Gen.Elements(1, 2, 4, 8)
                   from value in values
                   from time in times
                   select new Step(kind, mapping, (uint)(aligned == 0 ? offset : offset & ~0xf), size, kind == Kind.Advance ? (ulong)time : value);
        return step.ArrayOf(StepsPerRun);
    }

    // What the guest sees of it.
    private static ulong Apply(Bench bench, Step step)
    {
        // A device's regions may have moved meanwhile.
        var mappings = bench.Mappings;
        var mapping = mappings[step.Mapping % mappings.Count];
        var size = mapping.Space == AddressSpace.Port ? Math.Min(step.Size, 4) : step.Size;
        var at = mapping.Base + step.Offset;
        switch (step.Kind)
        {
            case Kind.Read when mapping.Space == AddressSpace.Port:
                return bench.Bus.ReadPort((ushort)at, size);
            case Kind.Read:
                return bench.Bus.ReadMmio(at, size);
            case Kind.Write when mapping.Space == AddressSpace.Port:
                bench.Bus.WritePort((ushort)at, size, (uint)step.Value);
                return 0;
            case Kind.Write:
                bench.Bus.WriteMmio(at, size, step.Value);
                return 0;
            case Kind.Advance:
                bench.Clock.Advance((long)step.Value);
                return 0;
            case Kind.Reset:
                foreach (var device in bench.Devices)
                    (device as IResettable)?.Reset();
                return 0;
            default:
                foreach (var device in bench.Devices.OfType<ISaveable>())
                    device.LoadFrom(device.SaveToBytes());
                return 0;
        }
    }
}
