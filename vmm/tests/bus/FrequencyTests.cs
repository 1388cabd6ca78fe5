using FsCheck.Fluent;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Vmm.Tests.Bus;

public sealed class FrequencyTests
{
    [Fact]
    public void Ticks_are_those_of_exact_arithmetic_and_their_time_is_the_first_that_has_them()
    {
        var cases = from hz in Gen.Elements(1L, 32_768, 1_193_182, 3_579_545, 1_000_000_000)
                    from ns in ArbMap.Default.GeneratorFor<ulong>().Select(value => (long)(value >> 1) % (1L << 62))
                    select (hz, ns);
        Prop.ForAll(cases.ToArbitrary(), c =>
        {
            var frequency = new Frequency(c.hz);
            var ticks = frequency.TicksAt(c.ns);
            var at = frequency.NsAt(ticks);
            return ticks == (long)((Int128)c.ns * c.hz / 1_000_000_000) && at <= c.ns && frequency.TicksAt(at) == ticks
                && (at == 0 || frequency.TicksAt(at - 1) < ticks);
        }).Holds();
    }

    [Fact]
    public void A_tick_that_never_comes_is_at_the_end_of_time() => Assert.Equal(long.MaxValue, new Frequency(1).NsAt(long.MaxValue));
}
