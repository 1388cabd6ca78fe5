using FsCheck.Fluent;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Vmm.Devices.Interrupt;

namespace Gauntlet.Fuzz.Tests.Models;

/// <summary>Intel 8259A data sheet: a master as sets of inputs and an order of priorities.</summary>
public sealed class PicModelTests
{
    private const int Vectors = 0x20;

    [Fact]
    public void Requests_are_acknowledged_and_ended_in_the_order_of_priorities()
    {
        // Line up, line down, acknowledge, mask, EOI of all kinds, and reads of all three registers.
        var step = from kind in Gen.Choose(0, 9)
                   from value in Gen.Choose(0, 255)
                   select (kind, value);
        Prop.ForAll(step.ListOf().Resize(150).ToArbitrary(), steps =>
        {
            var pic = new I8259(new SampledLine());
            foreach (var (offset, value) in ((uint, uint)[])[(0, 0x11), (1, Vectors), (1, 4), (1, 1)])
                pic.WritePort(I8259.MasterRegion, offset, 1, value);
            var model = new Master();
            foreach (var (kind, value) in steps)
            {
                // Input 2 is the slave's.
                var input = (value & 7) == 2 ? 3 : value & 7;
                switch (kind)
                {
                    case 0 or 1 or 2:
                        pic.GetLine(input).Set(true);
                        model.Raise(input);
                        break;
                    case 3:
                        pic.GetLine(input).Set(false);
                        model.High.Remove(input);
                        break;
                    case 4:
                        Assert.Equal(Vectors + model.Acknowledge(), pic.Acknowledge());
                        break;
                    case 5:
                        pic.WritePort(I8259.MasterRegion, 1, 1, (uint)value);
                        model.Mask = value;
                        break;
                    case 6:
                        // Non-specific, specific, rotating EOI, set priority.
                        var command = (value >> 3) % 5 is var which && which == 4 ? 6 : (int[])[1, 3, 5, 7] is var all ? all[which] : 0;
                        pic.WritePort(I8259.MasterRegion, 0, 1, (uint)(command << 5 | value & 7));
                        model.Command(command, value & 7);
                        break;
                    case 7:
                        pic.WritePort(I8259.MasterRegion, 0, 1, 0x0a);
                        Assert.Equal(Bits(model.Requested), (int)pic.ReadPort(I8259.MasterRegion, 0, 1));
                        break;
                    case 8:
                        pic.WritePort(I8259.MasterRegion, 0, 1, 0x0b);
                        Assert.Equal(Bits(model.InService), (int)pic.ReadPort(I8259.MasterRegion, 0, 1));
                        break;
                    default:
                        Assert.Equal(model.Mask, (int)pic.ReadPort(I8259.MasterRegion, 1, 1));
                        break;
                }
                Assert.Equal(model.Pending is not null, pic.IntrAsserted);
            }
        }).Holds(400);
    }

    private static int Bits(IEnumerable<int> inputs) => inputs.Sum(input => 1 << input);

    private sealed class Master
    {
        // Highest priority first.
        private List<int> _order = [0, 1, 2, 3, 4, 5, 6, 7];

        public HashSet<int> High { get; } = [];

        public HashSet<int> Requested { get; } = [];

        public HashSet<int> InService { get; } = [];

        public int Mask { get; set; }

        public int? Pending => _order.TakeWhile(input => !InService.Contains(input)).Where(input => Requested.Contains(input) && (Mask >> input & 1) == 0).Select(input => (int?)input).FirstOrDefault();

        public void Raise(int input)
        {
            if (High.Add(input))
                Requested.Add(input);
        }

        public int Acknowledge()
        {
            // Nothing is there any more: input 7's vector.
            if (Pending is not { } input)
                return 7;
            Requested.Remove(input);
            InService.Add(input);
            return input;
        }

        public void Command(int command, int input)
        {
            var ended = command is 1 or 5 ? _order.Where(InService.Contains).Select(each => (int?)each).FirstOrDefault() : input;
            if (ended is not { } level)
                return;
            if (command != 6)
                InService.Remove(level);
            if (command is 5 or 6 or 7)
                _order = [.. Enumerable.Range(1, 8).Select(each => (level + each) & 7)];
        }
    }
}
