using System.Runtime.Intrinsics;
using FsCheck.Fluent;
using Gauntlet.Vmm.Accel.Tcg.Fpu;

namespace Gauntlet.Vmm.Tests.Accel.Tcg.Fpu;

/// <summary>SSE in software against the host's own instruction, for every rounding, with and without DAZ and FZ.</summary>
public sealed class SseTests : IDisposable
{
    private const int SamplesPerSeed = 60;
    private const uint AllMasked = 0x1f80;

    private readonly HostFpu _host = new();

    private delegate bool Soft(Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> result);

    public void Dispose() => _host.Dispose();

    [Theory]
    [InlineData(SseOperation.Add)]
    [InlineData(SseOperation.Subtract)]
    [InlineData(SseOperation.Multiply)]
    [InlineData(SseOperation.Divide)]
    [InlineData(SseOperation.Minimum)]
    [InlineData(SseOperation.Maximum)]
    public void Arithmetic_is_the_hosts_in_results_and_flags(SseOperation operation)
    {
        foreach (var shape in Enum.GetValues<SseShape>())
        {
            Compare(
                $"{operation} {shape}", Instruction(shape, (byte)operation),
                (Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> r) => SseArithmetic.Compute(operation, shape, a, b, ref mxcsr, out r));
        }
    }

    [Theory]
    [InlineData(SseShape.PackedSingle)]
    [InlineData(SseShape.PackedDouble)]
    [InlineData(SseShape.ScalarSingle)]
    [InlineData(SseShape.ScalarDouble)]
    public void Square_roots_are_the_hosts(SseShape shape)
        => Compare(
            $"sqrt {shape}", Instruction(shape, 0x51),
            (Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> r) => SseArithmetic.SquareRoot(shape, a, b, ref mxcsr, out r));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public void Comparisons_are_the_hosts(int predicate)
    {
        foreach (var shape in Enum.GetValues<SseShape>())
        {
            Compare(
                $"cmp {predicate} {shape}", [.. Instruction(shape, 0xc2), (byte)predicate],
                (Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> r) => SseComparison.Compare(shape, predicate, a, b, ref mxcsr, out r));
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Comparisons_to_flags_are_the_hosts(bool isDouble, bool quiet)
    {
        byte[] instruction = [.. isDouble ? [(byte)0x66] : Array.Empty<byte>(), 0x0f, quiet ? (byte)0x2e : (byte)0x2f, 0xc1];
        ForSamples((host, a, b, mxcsr) =>
        {
            var expected = host.Sse($"comi {isDouble} {quiet}", instruction, a, b, mxcsr);
            ulong rflags = 0;
            var status = mxcsr;
            Assert.True(SseComparison.CompareToFlags(isDouble, quiet, Vector128.Create<byte>(a), Vector128.Create<byte>(b), ref status, ref rflags));
            Assert.Equal((expected.Mxcsr, expected.Rflags & 0x8d5), (status, rflags));
        });
    }

    [Fact]
    public void Horizontal_and_alternating_sums_are_the_hosts()
    {
        foreach (var isDouble in new[] { false, true })
        {
            foreach (var operation in new[] { SseOperation.Add, SseOperation.Subtract })
            {
                Compare(
                    $"h{operation} {isDouble}", [isDouble ? (byte)0x66 : (byte)0xf2, 0x0f, operation == SseOperation.Add ? (byte)0x7c : (byte)0x7d, 0xc1],
                    (Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> r) => SseArithmetic.Horizontal(operation, isDouble, a, b, ref mxcsr, out r));
            }

            Compare(
                $"addsub {isDouble}", [isDouble ? (byte)0x66 : (byte)0xf2, 0x0f, 0xd0, 0xc1],
                (Vector128<byte> a, Vector128<byte> b, ref uint mxcsr, out Vector128<byte> r) => SseArithmetic.AddSubtract(isDouble, a, b, ref mxcsr, out r));
        }
    }

    [Fact]
    public void Conversions_between_the_formats_are_the_hosts()
    {
        Compare("cvtss2sd", [0xf3, 0x0f, 0x5a, 0xc1], SseConversion.SingleToDouble);
        Compare("cvtsd2ss", [0xf2, 0x0f, 0x5a, 0xc1], SseConversion.DoubleToSingle);
        Compare("cvtps2pd", [0x0f, 0x5a, 0xc1], (Vector128<byte> _, Vector128<byte> b, ref uint m, out Vector128<byte> r) => SseConversion.PackedSingleToDouble(b, ref m, out r));
        Compare("cvtpd2ps", [0x66, 0x0f, 0x5a, 0xc1], (Vector128<byte> _, Vector128<byte> b, ref uint m, out Vector128<byte> r) => SseConversion.PackedDoubleToSingle(b, ref m, out r));
        Compare("cvtdq2ps", [0x0f, 0x5b, 0xc1], (Vector128<byte> _, Vector128<byte> b, ref uint m, out Vector128<byte> r) => SseConversion.PackedIntegerToSingle(b, ref m, out r));
        Compare("cvtdq2pd", [0xf3, 0x0f, 0xe6, 0xc1], (Vector128<byte> _, Vector128<byte> b, ref uint _, out Vector128<byte> r) =>
        {
            r = SseConversion.PackedIntegerToDouble(b);
            return true;
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Conversions_to_packed_integers_are_the_hosts(bool truncate)
    {
        Compare(
            $"ps2dq {truncate}", [truncate ? (byte)0xf3 : (byte)0x66, 0x0f, 0x5b, 0xc1],
            (Vector128<byte> _, Vector128<byte> b, ref uint m, out Vector128<byte> r) => SseConversion.PackedSingleToInteger(truncate, 4, b, ref m, out r));
        Compare(
            $"pd2dq {truncate}", [truncate ? (byte)0x66 : (byte)0xf2, 0x0f, 0xe6, 0xc1],
            (Vector128<byte> _, Vector128<byte> b, ref uint m, out Vector128<byte> r) => SseConversion.PackedDoubleToInteger(truncate, b, ref m, out r));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Conversions_to_and_from_integers_are_the_hosts(bool isDouble, bool wide)
    {
        var prefix = isDouble ? (byte)0xf2 : (byte)0xf3;
        var rex = wide ? (byte)0x48 : (byte)0x40;
        foreach (var truncate in new[] { false, true })
        {
            ForSamples((host, a, b, mxcsr) =>
            {
                var expected = host.Sse($"toint {isDouble} {wide} {truncate}", [prefix, rex, 0x0f, truncate ? (byte)0x2c : (byte)0x2d, 0xc1], a, b, mxcsr);
                var status = mxcsr;
                Assert.True(SseConversion.ToInteger(isDouble, wide ? 64 : 32, truncate, Vector128.Create<byte>(b), ref status, out var integer));
                Assert.Equal((expected.Mxcsr, expected.Integer), (status, wide ? integer : (uint)integer));
            });
        }

        ForSamples((host, a, b, mxcsr) =>
        {
            var integer = BitConverter.ToInt64(b);
            var expected = host.Sse($"fromint {isDouble} {wide}", [prefix, rex, 0x0f, 0x2a, 0xc0], a, b, mxcsr, integer);
            var status = mxcsr;
            Assert.True(SseConversion.FromInteger(isDouble, wide ? integer : (int)integer, Vector128.Create<byte>(a), ref status, out var result));
            Assert.Equal((expected.Mxcsr, Hex(expected.Result)), (status, Hex(result)));
        });
    }

    // .NET itself needs SSE4.2.
    [Fact]
    public void Rounding_to_integral_values_is_the_hosts()
    {
        foreach (var shape in Enum.GetValues<SseShape>())
        {
            byte opcode = shape switch { SseShape.PackedSingle => 8, SseShape.PackedDouble => 9, SseShape.ScalarSingle => 10, _ => 11 };
            for (var control = 0; control < 16; control++)
            {
                var immediate = control;
                Compare(
                    $"round {shape} {immediate}", [0x66, 0x0f, 0x3a, opcode, 0xc1, (byte)immediate],
                    (Vector128<byte> a, Vector128<byte> b, ref uint m, out Vector128<byte> r) => SseConversion.RoundToIntegral(shape, immediate, a, b, ref m, out r),
                    seeds: 10);
            }
        }
    }

    [Fact]
    public void Approximations_are_within_the_manuals_bound_and_special_values_are_the_hosts()
        => Prop.ForAll<int>(seed =>
        {
            var random = new Random(seed);
            for (var i = 0; i < SamplesPerSeed; i++)
            {
                var bits = FloatSamples.Single(random);
                foreach (var squareRoot in new[] { false, true })
                {
                    var operand = new byte[16];
                    BitConverter.TryWriteBytes(operand, bits);
                    var expected = BitConverter.ToUInt32(_host.Sse($"approximate {squareRoot}", [0xf3, 0x0f, squareRoot ? (byte)0x52 : (byte)0x53, 0xc1], new byte[16], operand, AllMasked).Result);
                    var actual = SseConversion.Approximate(bits, squareRoot);
                    var (x, y) = ((double)BitConverter.UInt32BitsToSingle(expected), (double)BitConverter.UInt32BitsToSingle(actual));
                    // Both may be off by the bound, in different directions; near the smallest normal one of them may have been flushed.
                    if (double.IsNaN(x) || double.IsInfinity(x) || x == 0 || Math.Abs(x) < 2.4e-38)
                        Assert.True(expected == actual || Math.Abs(x) < 2.4e-38 && Math.Abs(y) < 2.4e-38, $"{bits:x8}: {expected:x8}, not {actual:x8}");
                    else
                        Assert.True(Math.Abs(y / x - 1) <= 2 * 1.5 / 4096, $"{bits:x8}: {x}, not {y}");
                }
            }
        }).Holds(50);

    // As the host's MXCSR is in a signal's frame: the smallest exponent there is, or the largest, do not make a result inexact that nobody gets.
    [Theory]
    [InlineData(SseOperation.Add, 0x7f7fffffu, 0x7f7fffffu, 0x1b80u, 0x08u)]
    [InlineData(SseOperation.Add, 0x7f7fffffu, 0x7f7ffffeu, 0x1b80u, 0x28u)]
    [InlineData(SseOperation.Multiply, 0x7f7fffffu, 0x7f7fffffu, 0x1b80u, 0x28u)]
    [InlineData(SseOperation.Multiply, 0x00800001u, 0x3f000000u, 0x1780u, 0x10u)]
    [InlineData(SseOperation.Multiply, 0x00800001u, 0x3f000001u, 0x1780u, 0x30u)]
    [InlineData(SseOperation.Multiply, 0x00800000u, 0x3f000000u, 0x1780u, 0x10u)]
    public void A_result_out_of_range_is_as_inexact_as_with_any_exponent_where_that_is_unmasked(SseOperation operation, uint a, uint b, uint masks, uint raised)
    {
        var mxcsr = masks;
        Assert.False(SseArithmetic.Compute(operation, SseShape.ScalarSingle, Vector128.CreateScalar(a).AsByte(), Vector128.CreateScalar(b).AsByte(), ref mxcsr, out _));
        Assert.Equal(masks | raised, mxcsr);
    }

    [Fact]
    public void An_unmasked_exception_of_an_operand_is_told_alone_and_one_of_the_result_with_all()
    {
        // Element 0: inexact quotient; element 1: division by zero.
        var a = Vector128.Create(1f, 1f, 0, 1f).AsByte();
        var b = Vector128.Create(3f, 0f, 1f, 1f).AsByte();
        var mxcsr = AllMasked & ~0x200u;
        Assert.False(SseArithmetic.Compute(SseOperation.Divide, SseShape.PackedSingle, a, b, ref mxcsr, out _));
        Assert.Equal(AllMasked & ~0x200u | 4, mxcsr);

        mxcsr = AllMasked & ~0x1000u;
        Assert.False(SseArithmetic.Compute(SseOperation.Divide, SseShape.PackedSingle, a, b, ref mxcsr, out _));
        Assert.Equal(AllMasked & ~0x1000u | 0x24, mxcsr);
    }

    private void Compare(string name, byte[] instruction, Soft soft, int seeds = 40)
        => ForSamples(
            (host, a, b, mxcsr) =>
            {
                var expected = host.Sse(name, instruction, a, b, mxcsr);
                var status = mxcsr;
                Assert.True(soft(Vector128.Create<byte>(a), Vector128.Create<byte>(b), ref status, out var result));
                Assert.True(
                    expected.Mxcsr == status && Hex(expected.Result) == Hex(result),
                    $"{name} of {Hex(a)} and {Hex(b)} with MXCSR {mxcsr:x4}: the host {Hex(expected.Result)} {expected.Mxcsr:x4}, here {Hex(result)} {status:x4}");
            },
            seeds);

    private void ForSamples(Action<HostFpu, byte[], byte[], uint> check, int seeds = 40)
        => Prop.ForAll<int>(seed =>
        {
            var random = new Random(seed);
            for (var i = 0; i < SamplesPerSeed; i++)
            {
                // Rounding, DAZ and FZ at random; the inexact flag too, because the host's arithmetic is used only when it is set.
                var mxcsr = AllMasked | (uint)random.Next(4) << 13 | (random.Next(4) == 0 ? 0x40u : 0) | (random.Next(4) == 0 ? 0x8000u : 0) | (random.Next(2) == 0 ? 0x20u : 0);
                if (random.Next(2) == 0)
                    mxcsr &= 0x1fff;
                check(_host, Operand(random), Operand(random), mxcsr);
            }
        }).Holds(seeds);

    /// <summary>Two doubles or four singles; for integers they are as good as any bits.</summary>
    private static byte[] Operand(Random random)
    {
        var bytes = new byte[16];
        if (random.Next(2) == 0)
        {
            for (var i = 0; i < 4; i++)
                BitConverter.TryWriteBytes(bytes.AsSpan(i * 4), FloatSamples.Single(random));
        }
        else
        {
            for (var i = 0; i < 2; i++)
                BitConverter.TryWriteBytes(bytes.AsSpan(i * 8), FloatSamples.Double(random));
        }

        return bytes;
    }

    private static byte[] Instruction(SseShape shape, byte opcode) => shape switch
    {
        SseShape.PackedSingle => [0x0f, opcode, 0xc1],
        SseShape.PackedDouble => [0x66, 0x0f, opcode, 0xc1],
        SseShape.ScalarSingle => [0xf3, 0x0f, opcode, 0xc1],
        _ => [0xf2, 0x0f, opcode, 0xc1],
    };

    private static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    private static string Hex(Vector128<byte> value)
    {
        Span<byte> bytes = stackalloc byte[16];
        value.CopyTo(bytes);
        return Convert.ToHexStringLower(bytes);
    }
}
