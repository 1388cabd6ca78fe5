using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Gauntlet.Vmm.Accel.Tcg.Backends.X64;

/// <summary>
/// What generated code calls. No exception may cross its frames: one is kept in the core, the block leaves as by a fault, and
/// <see cref="X64Backend.Run"/> throws it again.
/// </summary>
internal static unsafe class HostCalls
{
    /// <summary>Puts them where generated code finds them; the handle leads back to the core.</summary>
    public static void Connect(CoreHeader* header, GCHandle core)
    {
        header->Handle = GCHandle.ToIntPtr(core);
        header->Call = (delegate* unmanaged<CoreHeader*, ulong, ulong, ulong, int, delegate*<TcgCore, ulong, ulong, ulong, int, ulong>, ulong>)&Call;
        header->Load = (delegate* unmanaged<CoreHeader*, ulong, uint, ulong>)&Load;
        header->Store = (delegate* unmanaged<CoreHeader*, ulong, ulong, uint, void>)&Store;
    }

    /// <summary>Size in bytes and access attributes of a memory access as one argument.</summary>
    public static uint Access(int size, byte attributes) => (uint)(size | attributes << 8);

    public static int SizeOf(uint access) => (int)(access & 0xff);

    public static int AttributesOf(uint access) => (int)(access >> 8);

    [UnmanagedCallersOnly]
    private static ulong Call(CoreHeader* header, ulong a, ulong b, ulong c, int imm, delegate*<TcgCore, ulong, ulong, ulong, int, ulong> helper)
    {
        var core = CoreOf(header);
        try
        {
            return helper(core, a, b, c, imm);
        }
        catch (Exception e)
        {
            return Escape(core, e);
        }
    }

    [UnmanagedCallersOnly]
    private static ulong Load(CoreHeader* header, ulong linear, uint access)
    {
        var core = CoreOf(header);
        try
        {
            ulong result = 0;
            core.Load(linear, SizeOf(access), AttributesOf(access), &result);
            return result;
        }
        catch (Exception e)
        {
            return Escape(core, e);
        }
    }

    [UnmanagedCallersOnly]
    private static void Store(CoreHeader* header, ulong linear, ulong value, uint access)
    {
        var core = CoreOf(header);
        try
        {
            core.Store(linear, SizeOf(access), AttributesOf(access), value);
        }
        catch (Exception e)
        {
            Escape(core, e);
        }
    }

    private static TranslatingCore CoreOf(CoreHeader* header) => Unsafe.As<TranslatingCore>(GCHandle.FromIntPtr(header->Handle).Target!);

    private static ulong Escape(TranslatingCore core, Exception exception)
    {
        core.Escaped = ExceptionDispatchInfo.Capture(exception);
        core.Header->Fault = (int)FaultKind.Fatal;
        return 0;
    }
}
