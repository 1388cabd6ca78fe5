using FsCheck.Fluent;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Tests.Models;

/// <summary>MC146818 data sheet, "Time, calendar and alarm locations": a calendar of the framework's own, in the formats that register B chooses.</summary>
public sealed class RtcModelTests
{
    private const int RegisterB = 0xb, Set = 0x80, Binary = 4, Hours24 = 2;

    [Fact]
    public void The_time_of_day_is_the_calendars_in_every_format()
    {
        // An index and an access belong together.
        var read = Gen.Elements(0, 2, 4, 6, 7, 8, 9).Select(index => new[] { Index(index), Operation.Read(AddressSpace.Port, 0x71, 1) });
        var format = Gen.Elements(0, Binary, Hours24, Binary | Hours24).Select(value => new[] { Index(RegisterB), Data(value) });
        var step = Gen.Choose(0, int.MaxValue).Select(steps => new[] { Operation.ClockStep((ulong)steps * 4_000_000) });
        var groups = Gen.OneOf(read, read, read, step, format);
        using var devices = (DeviceTarget)TargetCatalogue.Create("mc146818rtc");
        Prop.ForAll(groups.ListOf().Resize(60).Select(list => list.SelectMany(group => group).ToArray()).ToArbitrary(), program =>
        {
            var model = new Calendar();
            devices.Run(program, (done, reply) =>
            {
                if (model.Apply(done) is { } expected && reply != expected)
                    Assert.Fail($"{done} gives 0x{reply:x}, the calendar 0x{expected:x} in\n{ProgramText.Format(program)}");
            });
        }).Holds(300);
    }

    private static Operation Index(int index) => Operation.Write(AddressSpace.Port, 0x70, 1, (ulong)index);

    private static Operation Data(int value) => Operation.Write(AddressSpace.Port, 0x71, 1, (ulong)value);

    private sealed class Calendar : IDeviceModel
    {
        private DateTime _now = new(2026, 2, 28, 23, 59, 58, DateTimeKind.Utc);
        private int _index, _format = Hours24;

        public ulong? Apply(in Operation operation)
        {
            switch (operation.Kind)
            {
                case OperationKind.ClockStep:
                    _now = _now.AddTicks((long)operation.Value / 100);
                    return null;
                case OperationKind.Write when operation.Address == 0x70:
                    _index = (int)operation.Value;
                    return null;
                case OperationKind.Write:
                    _format = (int)operation.Value & ~Set;
                    return null;
                default:
                    return _now.Year > 2099 ? null : (ulong)Value();
            }
        }

        private int Value() => _index switch
        {
            0 => Coded(_now.Second),
            2 => Coded(_now.Minute),
            4 when (_format & Hours24) != 0 => Coded(_now.Hour),
            4 => Coded((_now.Hour + 11) % 12 + 1) | (_now.Hour >= 12 ? 0x80 : 0),
            // Sunday is 1.
            6 => Coded((int)_now.DayOfWeek + 1),
            7 => Coded(_now.Day),
            8 => Coded(_now.Month),
            _ => Coded(_now.Year % 100),
        };

        private int Coded(int value) => (_format & Binary) != 0 ? value : value / 10 << 4 | value % 10;
    }
}
