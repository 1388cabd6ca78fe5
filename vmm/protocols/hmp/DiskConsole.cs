using Gauntlet.Vmm.Protocols.Qmp;
using Gauntlet.Vmm.Storage;

namespace Gauntlet.Vmm.Protocols.Hmp;

/// <summary>The monitor's <c>qemu-io</c>, as far as it is about breakpoints of a blkdebug disk (QEMU, docs/devel/blkdebug.txt, "Suspending requests").</summary>
internal sealed class DiskConsole(QmpContext context)
{
    /// <param name="disk">Its drive, or its node.</param>
    /// <param name="command">With quotes or without.</param>
    /// <exception cref="QmpException">There is no such disk, breakpoint or command.</exception>
    public void Execute(string disk, string command)
    {
        var node = context.Blocks.All.FirstOrDefault(node => node.User == disk || node.Name == disk) ?? throw new QmpException($"Device '{disk}' not found", QmpException.DeviceNotFound);
        if (node.Breakpoints is not { } breakpoints)
            throw new QmpException($"'{disk}' is no blkdebug disk, as -drive file=blkdebug::FILE makes one");
        switch (command.Trim().Trim('"').Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            case ["break", var what, var tag]:
                Break(breakpoints, what, tag);
                break;
            case ["resume" or "remove_break", var tag]:
                if (!breakpoints.RemoveBreakpoint(tag))
                    throw new QmpException($"there is no breakpoint '{tag}'");
                context.Machine?.RetryHeldBack();
                break;
            default:
                throw new QmpException($"qemu-io: '{command.Trim()}': there are break EVENT TAG, resume TAG and remove_break TAG");
        }
    }

    private static void Break(BlkDebugImage breakpoints, string what, string tag)
    {
        try
        {
            breakpoints.AddBreakpoint(what, tag);
        }
        catch (BlockImageException why)
        {
            throw new QmpException(why.Message);
        }
    }
}
